"""What every kind of back-end promises, on real files, programs and servers."""

import re
import subprocess
import sys
import threading
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from keepers import Keeper

from iea_fleet.core.credential_rules import secret_fault
from iea_fleet.engine.load.yaml_reader import read
from iea_fleet.errors import SecretError
from iea_fleet.model.inventory import InventoryFile
from iea_fleet.model.operator import OperatorFile
from iea_fleet.secrets import REGISTRY

VALUE = "CANARY é&<'\"\\ ß"
LEGAL = st.text(st.characters(exclude_categories=["C"]), min_size=1, max_size=40).filter(
    lambda text: secret_fault(text) is None
)


def test_there_is_a_keeper_of_every_kind(keeper: Keeper) -> None:
    assert keeper.kind in REGISTRY
    assert next(iter(keeper.declared.values())).kind == keeper.kind


def test_values_come_as_they_were_kept(keeper: Keeper) -> None:
    keeper.put("net/ligue", VALUE)
    secrets = keeper.secrets()
    assert secrets.exists(keeper.reference("net/ligue"))
    value = secrets.get(keeper.reference("net/ligue"))
    assert value.get_secret_value() == VALUE
    assert "CANARY" not in repr(value) + repr(secrets) + repr(secrets.backend("kept"))


@settings(max_examples=15, deadline=None, derandomize=True, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(text=LEGAL)
def test_whatever_is_kept_is_what_is_got(keeper: Keeper, text: str) -> None:
    keeper.put("net/ligue", text)
    assert keeper.secrets().get(keeper.reference("net/ligue")).get_secret_value() == text


def test_what_is_not_there(keeper: Keeper) -> None:
    keeper.put("net/ligue", VALUE)
    secrets = keeper.secrets()
    with pytest.raises(SecretError) as raised:
        secrets.get(keeper.reference("net/none"))
    assert raised.value.code == ("secret_command_failed" if keeper.kind == "command" else "secret_missing")
    assert raised.value.hint
    assert "CANARY" not in str(raised.value)
    if keeper.kind != "command":
        assert not secrets.exists(keeper.reference("net/none"))


def test_an_empty_value_is_no_secret(keeper: Keeper) -> None:
    keeper.put("net/ligue", "")
    with pytest.raises(SecretError) as raised:
        keeper.secrets().get(keeper.reference("net/ligue"))
    assert raised.value.code == ("secret_missing" if keeper.kind == "env" else "secret_empty")


def test_a_run_reads_each_value_once(keeper: Keeper) -> None:
    keeper.put("net/ligue", "before")
    secrets = keeper.secrets()
    first = secrets.get(keeper.reference("net/ligue"))
    keeper.put("net/ligue", "after")
    assert secrets.get(keeper.reference("net/ligue")) is first
    assert keeper.secrets().get(keeper.reference("net/ligue")).get_secret_value() == "after"


def test_many_threads_get_the_same(keeper: Keeper) -> None:
    keeper.put("net/ligue", VALUE)
    secrets, found = keeper.secrets(), list[object]()
    threads = [
        threading.Thread(target=lambda: found.append(secrets.get(keeper.reference("net/ligue")))) for _ in range(8)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(found) == 8
    assert len({id(value) for value in found}) == 1


def test_fields_are_refused_where_there_are_none(keeper: Keeper) -> None:
    keeper.put("net/ligue", VALUE)
    with pytest.raises(SecretError) as raised:
        keeper.secrets().get(f"{keeper.reference('net/ligue')}#nothing")
    assert raised.value.code == "secret_no_field"
    assert "CANARY" not in str(raised.value)


def test_an_error_stays_the_same_in_a_run_and_has_no_cause(keeper: Keeper) -> None:
    secrets = keeper.secrets()
    said = set()
    for _ in range(2):
        with pytest.raises(SecretError) as raised:
            secrets.get(keeper.reference("net/none"))
        assert raised.value.__cause__ is None
        said.add(str(raised.value))
    assert len(said) == 1


@pytest.mark.parametrize(("kind", "package"), [("keepass", "pykeepass"), ("vault", "hvac"), ("keyring", "keyring")])
def test_a_missing_extra_is_named(kind: str, package: str, tmp_path: Path) -> None:
    more = {
        "keepass": ", file='f', password=None",
        "vault": ", url='https://v.example.org', token='env:A'",
        "keyring": "",
    }[kind]
    code = (
        f"import sys; sys.modules[{package!r}] = None\n"
        "from pathlib import Path\n"
        "from iea_fleet.model import inventory\n"
        "from iea_fleet.errors import SecretError\n"
        "from iea_fleet.secrets import Secrets\n"
        f"declared = inventory.{kind.capitalize()}Backend(kind={kind!r}{more})\n"
        "try: Secrets({'kept': declared}, Path()).get('kept:x')\n"
        "except SecretError as error: print(error.code, error)\n"
    )
    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=tmp_path)
    assert ran.stdout == (
        f"secret_extra_missing secrets of the kind {kind} need a package that is not installed; "
        f"run: pip install 'iea-fleet[{kind}]'\n"
    )


def test_only_what_is_used_is_imported() -> None:
    code = (
        "import sys; from pathlib import Path; from iea_fleet.secrets import Secrets; Secrets({}, Path()); "
        "print({'pyrage', 'hvac', 'requests', 'pykeepass', 'keyring'} & set(sys.modules))"
    )
    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert ran.stdout == "set()\n"


@pytest.mark.parametrize("kind", REGISTRY)
def test_the_example_in_its_docstring_is_valid(kind: str) -> None:
    module = __import__(REGISTRY[kind], fromlist=["__doc__"])
    found = re.search(r"```yaml\n(.*?)```", module.__doc__ or "", re.DOTALL)
    assert found is not None
    document = read(found[1].encode(), "docstring")
    assert document.mistakes == []
    if kind == "command":
        filled = OperatorFile.model_validate(document.root)
        assert filled.secrets["pass"].timeout == 20
    else:
        assert kind in {
            one.kind for one in InventoryFile.model_validate({"version": 1, **document.root}).secrets.values()
        }
