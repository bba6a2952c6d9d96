"""Plan files without a network: there and back, written whole and privately, refused when anything in them changed."""

from __future__ import annotations

import copy
import json
import os
import resource
from dataclasses import replace
from pathlib import Path
from typing import Any

import jsonschema
import pytest
from drawn_plans import ADDRESS, TICK, changing, document, holder, paths, saved, unreached
from hypothesis import given
from hypothesis import strategies as st

from iea_fleet.engine import saved_plan
from iea_fleet.errors import UsageError
from iea_fleet.history.key import HistoryKey
from iea_fleet.model.saved_plan import SavedPlan
from iea_fleet.reports import plan_as_json

KEY, OTHER = HistoryKey(b"k" * 32), HistoryKey(b"o" * 32)
PLAN = saved(
    changing("nancy-01", TICK, ADDRESS),
    changing("nancy-02"),
    unreached("nancy-03"),
    history=KEY.fingerprint,
)
DOCUMENT = json.loads(json.dumps(plan_as_json.document(PLAN)))
PATHS = list(paths(DOCUMENT))


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "p.json"
    saved_plan.write(path, PLAN, KEY)
    return path


@pytest.fixture(scope="module")
def signed(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, bytes]:
    """A place to write to, and the bytes of a good plan."""
    path = tmp_path_factory.mktemp("signed") / "p.json"
    saved_plan.write(path, PLAN, KEY)
    return path, path.read_bytes()


def refused(path: Path, content: bytes | None = None, key: HistoryKey = KEY) -> str:
    """The code by which a plan is refused."""
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(UsageError) as caught:
        saved_plan.read(path, key)
    assert caught.value.sentence
    assert str(path) in caught.value.sentence
    return caught.value.code


def test_what_is_written_is_what_is_read(file: Path) -> None:
    assert saved_plan.read(file, KEY).saved == PLAN
    assert sorted(entry.name for entry in file.parent.iterdir()) == ["p.json"]
    assert file.stat().st_mode & 0o777 == 0o600


def test_it_holds_to_its_schema(file: Path) -> None:
    schema = plan_as_json.schema()
    jsonschema.Draft202012Validator.check_schema(schema)
    validator = jsonschema.Draft202012Validator(schema, format_checker=jsonschema.FormatChecker())
    assert list(validator.iter_errors(document(file))) == []
    assert list(validator.iter_errors({**document(file), "more": 1})) != []


ODD = st.one_of(
    st.none(), st.booleans(), st.integers(), st.text(), st.just([]), st.just({}), st.floats(allow_nan=False)
)


@given(st.sampled_from(PATHS), ODD)
def test_any_other_value_anywhere_is_refused(signed: tuple[Path, bytes], steps: Any, odd: Any) -> None:
    path, content = signed
    edited = json.loads(content)
    within = holder(edited, steps)
    # In JSON true is not 1 and 1 is not 1.0: what is compared is the text.
    if json.dumps(within[steps[-1]]) == json.dumps(odd):
        return
    within[steps[-1]] = odd
    refused(path, json.dumps(edited).encode())


@pytest.mark.parametrize("steps", PATHS, ids=lambda steps: ".".join(map(str, steps)))
def test_a_little_change_of_each_value_is_refused(signed: tuple[Path, bytes], steps: Any) -> None:
    path, content = signed
    for change in (_nudged, _removed, _added):
        edited = json.loads(content)
        change(edited, steps)
        refused(path, json.dumps(edited, ensure_ascii=False).encode())


def _nudged(edited: Any, steps: Any) -> None:
    within = holder(edited, steps)
    value = within[steps[-1]]
    match value:
        case bool():
            within[steps[-1]] = not value
        case str():
            within[steps[-1]] = f"{value} "
        case None:
            within[steps[-1]] = "x"
        case list():
            within[steps[-1]] = [*value, *value] or ["x"]
        case dict():
            within[steps[-1]] = {**value, "x": 1}


def _removed(edited: Any, steps: Any) -> None:
    del holder(edited, steps)[steps[-1]]


def _added(edited: Any, steps: Any) -> None:
    within = holder(edited, steps)
    if isinstance(within, list):
        within.insert(0, copy.deepcopy(within[0]))
    else:
        within["another"] = None


@given(st.data())
def test_cut_off_anywhere_it_is_refused(signed: tuple[Path, bytes], data: st.DataObject) -> None:
    path, content = signed
    length = data.draw(st.integers(0, len(content) - 3))
    assert refused(path, content[:length]) == "plan_none"


def test_another_order_of_keys_or_lines_is_the_same_plan(file: Path) -> None:
    file.write_text(json.dumps(document(file), sort_keys=True, indent=7))
    assert saved_plan.read(file, KEY).saved == PLAN


def test_a_key_that_stands_twice_is_refused(file: Path) -> None:
    # Some programs show the first, some the last: a reviewer must not see another one than we carry out.
    content = file.read_text()
    assert refused(file, content.replace("{", '{"inventory": "another",', 1).encode()) == "plan_none"


@pytest.mark.parametrize(
    ("content", "code"),
    [
        (b"", "plan_none"),
        (b"null", "plan_none"),
        (b"[1]", "plan_none"),
        (b"{}", "plan_none"),
        (b'{"schema": "iea-fleet/run/1"}', "plan_none"),
        (b'{"schema": "iea-fleet/plan/0"}', "plan_none"),
        (b'{"schema": "iea-fleet/plan/1"}', "plan_none"),
        (b'{"schema": "iea-fleet/plan/1", "history": NaN}', "plan_none"),
        (b'{"schema": "iea-fleet/plan/1", "history": "\\ud800"}', "plan_none"),
        (b"\xff\xfe{\x00}\x00", "plan_none"),
        (b"\x80", "plan_none"),
        (b"[" * 100_000, "plan_none"),
        (b'{"a":' * 100_000, "plan_none"),
        (b"1" * 10_000, "plan_none"),
        (b'{"schema": "iea-fleet/plan/2"}', "plan_newer"),
        (b"version: 1\nname: x\n", "plan_none"),
    ],
    ids=range(16),
)
def test_what_is_no_plan_is_refused(tmp_path: Path, content: bytes, code: str) -> None:
    assert refused(tmp_path / "p.json", content) == code


def test_one_that_is_too_large_is_not_read(tmp_path: Path) -> None:
    path = tmp_path / "p.json"
    with path.open("wb") as file:
        file.truncate(saved_plan.LARGEST + 1)
    assert refused(path) == "plan_too_large"


def test_folders_and_missing_files_are_refused(tmp_path: Path) -> None:
    assert refused(tmp_path) == "plan_unreadable"
    assert refused(tmp_path / "missing.json") == "plan_unreadable"


def test_another_history_can_look_and_not_apply(file: Path) -> None:
    assert refused(file, key=OTHER) == "plan_other_history"
    found = saved_plan.look_at(file, OTHER)
    assert found.saved == PLAN
    assert not found.signed


@pytest.mark.parametrize(
    ("old", "new"), [('"no answer"', '"\\ud800"'), ('"seconds": null', '"seconds": 1e999'), ('"user"', '"us\\udfffer"')]
)
def test_what_could_not_be_printed_is_refused_from_another_history_too(file: Path, old: str, new: str) -> None:
    text = file.read_text()
    assert old in text
    file.write_text(text.replace(old, new, 1))
    with pytest.raises(UsageError) as caught:
        saved_plan.look_at(file, OTHER)
    assert caught.value.code == "plan_none"


def test_a_signature_of_another_key_under_our_fingerprint_is_refused(file: Path) -> None:
    saved_plan.write(file, PLAN, OTHER)
    assert refused(file) == "plan_signature"
    with pytest.raises(UsageError, match="signature does not hold"):
        saved_plan.look_at(file, KEY)


def test_a_plan_takes_the_place_of_a_plan(file: Path) -> None:
    later = replace(PLAN, commit=None)
    saved_plan.write(file, later, KEY)
    assert saved_plan.read(file, KEY).saved == later
    file.write_text('{"schema": "iea-fleet/plan/7"}')
    saved_plan.write(file, later, KEY)
    assert saved_plan.read(file, KEY).saved == later


@pytest.mark.parametrize("content", [b"", b"{}", b"version: 1\n", b'{"schema": "iea-fleet/run/1"}', b"\x00" * 9])
def test_anything_else_is_left_where_it_is(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "inventory.yml"
    path.write_bytes(content)
    with pytest.raises(UsageError, match="is there already and is no plan") as caught:
        saved_plan.write(path, PLAN, KEY)
    assert caught.value.code == "plan_in_the_way"
    assert path.read_bytes() == content


def test_on_a_full_disk_the_old_plan_stays(file: Path) -> None:
    old = file.read_bytes()
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (100, hard))
    try:
        with pytest.raises(UsageError, match=r"cannot be written to .*: File too large") as caught:
            saved_plan.write(file, replace(PLAN, commit=None), KEY)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert caught.value.code == "plan_not_written"
    assert file.read_bytes() == old
    assert sorted(entry.name for entry in file.parent.iterdir()) == ["p.json"]


def test_folders_links_and_pipes_are_left_where_they_are(tmp_path: Path) -> None:
    (tmp_path / "folder").mkdir()
    (tmp_path / "link").symlink_to(tmp_path / "nowhere")
    os.mkfifo(tmp_path / "pipe")
    for name in ("folder", "link", "pipe"):
        with pytest.raises(UsageError, match="is no plan"):
            saved_plan.check_place(tmp_path / name)
    assert not (tmp_path / "nowhere").exists()
    with pytest.raises(UsageError, match="no folder that you can write to"):
        saved_plan.check_place(tmp_path / "missing" / "p.json")


@given(
    st.lists(
        st.tuples(
            st.one_of(st.none(), st.booleans(), st.integers(), st.floats(allow_nan=False, allow_infinity=False)),
            st.text(),
        ),
        min_size=1,
        max_size=4,
    )
)
def test_values_of_every_type_come_back_as_they_were(signed: tuple[Path, bytes], values: Any) -> None:
    plan: SavedPlan = replace(
        PLAN,
        plan=replace(
            PLAN.plan,
            targets=(
                changing(
                    "a",
                    *(
                        replace(TICK, setting=f"s{place}", before=one, after=two)
                        for place, (one, two) in enumerate(values)
                    ),
                ),
            ),
        ),
        planned=frozenset("a"),
    )
    path = signed[0]
    path.unlink(missing_ok=True)
    saved_plan.write(path, plan, KEY)
    again = saved_plan.read(path, KEY).saved
    assert again == plan
    befores = [difference.before for difference in again.plan.targets[0].changes[0].differences]
    assert [type(before) for before in befores] == [type(one) for one, _ in values]
