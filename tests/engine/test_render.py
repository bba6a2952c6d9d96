"""Edits become requests: what the workstation's sealing program is given, and what becomes of its answer."""

from __future__ import annotations

import copy
from collections.abc import Sequence
from typing import Any

import pytest
from targets import LAYOUT, NOTHING_KNOWN, target

from iea_fleet.core.planner import Reading
from iea_fleet.engine import clock
from iea_fleet.engine.gather import Gathered
from iea_fleet.engine.render import Rendered, render
from iea_fleet.errors import SecretError, SettingsFormatError
from iea_fleet.model.inventory import EnvBackend, Identity, User
from iea_fleet.model.layout import FormatName
from iea_fleet.model.plan import Change, Edit, Hidden
from iea_fleet.model.request import ABSENT, Answer, Failed, Ran, ReplaceFile, Request, RunAction
from iea_fleet.model.target import Target
from iea_fleet.secrets import Secrets

PASSWORD, IEA = "mot-de-passe-é", "iea du poste"
ADDRESS = "net_entreprises.dupont"
PATH = "/iea/dupont.properties"
SEALED = Hidden("ligue-54", "dupont", "seal")


class Program:
    """A session on a workstation of which only the sealing program is asked. It keeps what it was given."""

    round_trips = 0

    def __init__(self, *answers: Answer) -> None:
        self.answers = list(answers)
        self.asked: list[RunAction] = []

    def carry_out(self, requests: Sequence[Request]) -> list[Answer]:
        for request in requests:
            assert isinstance(request, RunAction)
            self.asked.append(request)
        return [self.answers.pop(0) for _ in requests]


@pytest.fixture
def secrets(monkeypatch: pytest.MonkeyPatch, tmp_path: Any) -> Secrets:
    monkeypatch.setenv("PW", PASSWORD)
    monkeypatch.setenv("IEA", IEA)
    return Secrets({"env": EnvBackend(kind="env", names=("PW", "IEA"))}, tmp_path)


def workstation(stdin: tuple[str, ...], iea_password: str | None = "env:IEA") -> Target:
    layout = copy.deepcopy(LAYOUT)
    layout["actions"]["seal"] = {"run": ["/iea/sceller"], "timeout": 7, "stdin": list(stdin)}
    return target(
        layout=layout,
        users={"dupont": User(net_entreprises="ligue-54", iea_password=iea_password)},
        identities={"ligue-54": Identity(siret="12345678900015", nom="D", prenom="M", password="env:PW", service="97")},
    )


def rendered(
    session: Program, secrets: Secrets, one: Target, form: FormatName = "properties", **values: Any
) -> Rendered:
    edit = Edit(
        PATH, form, "utf-8" if form == "properties" else "latin-1", values, ABSENT, new="", private=True, secret=True
    )
    gathered = Gathered({}, Reading({}, {}, NOTHING_KNOWN, clock.now()), clock.now())
    return render((Change(ADDRESS, (), (edit,)),), gathered, session, one, secrets)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("stdin", "given"),
    [
        (("value",), PASSWORD),
        (("iea_password", "value"), f"{IEA}\n{PASSWORD}\n"),
        (("value", "iea_password"), f"{PASSWORD}\n{IEA}\n"),
    ],
)
def test_the_program_is_given_what_the_layout_says(secrets: Secrets, stdin: tuple[str, ...], given: str) -> None:
    program = Program(Ran(0, b"scelle:abc\n", b""))
    made = rendered(program, secrets, workstation(stdin), motdepasse=SEALED, nom="D")
    assert program.asked == [RunAction(("/iea/sceller",), given.encode(), 7)]
    assert made.sealed == {ADDRESS: "scelle:abc"}
    (write,) = made.writes
    assert isinstance(write, ReplaceFile)
    assert b"motdepasse=scelle\\:abc" in write.content or b"motdepasse=scelle:abc" in write.content
    assert write.private
    assert write.secret
    assert PASSWORD not in repr(program.asked) + repr(made)


def test_an_unsealed_password_is_written_as_it_is(secrets: Secrets) -> None:
    program = Program()
    made = rendered(program, secrets, workstation(("value",)), motdepasse=Hidden("ligue-54", "dupont"))
    (write,) = made.writes
    assert isinstance(write, ReplaceFile)
    assert f"motdepasse={PASSWORD}".encode() in write.content
    assert program.asked == []
    assert made.sealed == {}


@pytest.mark.parametrize(
    ("answer", "said"),
    [
        (Ran(3, b"", b"boom " + PASSWORD.encode()), "ended with exit code 3"),
        (Ran(0, b"", b""), "answered nothing"),
        (Ran(0, b"two\nlines\n", b""), "answered nothing"),
        (Ran(0, b"\xff\xfe", b""), "answered nothing"),
        (Failed("timeout", "it did not end within 7 s"), "did not end within 7 s"),
    ],
)
def test_what_was_not_sealed_is_not_written(secrets: Secrets, answer: Answer, said: str) -> None:
    with pytest.raises(SecretError) as caught:
        rendered(Program(answer), secrets, workstation(("value",)), motdepasse=SEALED)
    assert caught.value.code == "seal_failed"
    assert said in str(caught.value)
    assert PASSWORD not in str(caught.value)


def test_a_user_without_an_iea_password_is_named(secrets: Secrets) -> None:
    with pytest.raises(SecretError, match="dupont") as caught:
        rendered(Program(), secrets, workstation(("iea_password", "value"), None), motdepasse=SEALED)
    assert caught.value.code == "iea_password_missing"


def test_a_file_that_cannot_hold_the_password_is_an_error_without_it(
    secrets: Secrets, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PW", "coûte-10-€-Œ")
    with pytest.raises(SettingsFormatError) as caught:
        rendered(
            Program(), secrets, workstation(("value",)), "ini", **{"compte/motdepasse": Hidden("ligue-54", "dupont")}
        )
    assert "coûte" not in str(caught.value)
