"""Net-Entreprises accounts: bytes in, edits out. Secrets are marks that a test can read."""

from __future__ import annotations

import copy
from dataclasses import replace
from typing import Any

import pytest
from targets import LAYOUT, PlainMarks, target

from iea_fleet.core import planner
from iea_fleet.engine import clock
from iea_fleet.model.inventory import Identity, User
from iea_fleet.model.matrix import Status
from iea_fleet.model.plan import Hidden, TargetPlan
from iea_fleet.model.request import Absent, Answer, Failed, FileContent, FolderListing, ListFolder, ReadFile
from iea_fleet.model.run import Memory
from iea_fleet.model.target import Target, UserFiles
from iea_fleet.resources import Knowledge

ADDRESS = "net_entreprises.dupont"
FOLDER = "/iea/utilisateurs"
NEW = '<?xml version="1.0" encoding="UTF-8"?>\n<utilisateur/>\n'
IDENTITY = Identity(siret="12345678900015", nom="DUPONT", prenom="Hélène", password="age:x", service="97")


def layout(*, seal: bool = False, new: bool = True) -> dict[str, Any]:
    described = copy.deepcopy(LAYOUT)
    password: dict[str, Any] = {"key": "ne/motDePasse", **({"seal": "seal"} if seal else {})}
    described["net_entreprises"] = {
        "file": "utilisateurs/{{ user }}.xml",
        "format": "xml",
        "encoding": "utf-8",
        "private": True,
        **({"new": NEW} if new else {}),
        "keys": {
            "siret": {"key": "ne/siret"},
            "nom": {"key": "ne/nom"},
            "prenom": {"key": "ne/prenom"},
            "password": password,
            "service": {"key": "ne/service"},
        },
    }
    described["actions"]["seal"] = {"run": ["/iea/maintenance", "sceller"]}
    return described


def workstation(*users: str, absent: bool = False, seal: bool = False, new: bool = True, **fields: Any) -> Target:
    users = users or ("dupont",)
    return target(
        layout=layout(seal=seal, new=new),
        users={name: User(net_entreprises="absent" if absent else "ligue-54") for name in users},
        identities={"ligue-54": IDENTITY},
        files={f"net_entreprises.{name}": f"{FOLDER}/{name}.xml" for name in users},
        user_files=UserFiles(FOLDER, "", ".xml"),
        resources=tuple(f"net_entreprises.{name}" for name in users),
        **fields,
    )


def account(siret="12345678900015", nom="DUPONT", prenom="Hélène", password="s3cret-now", service="97") -> FileContent:
    inside = f"<siret>{siret}</siret><nom>{nom}</nom><prenom>{prenom}</prenom>"
    text = (
        f"<utilisateur><ne>{inside}<motDePasse>{password}</motDePasse><service>{service}</service></ne></utilisateur>"
    )
    return FileContent.of(text.encode())


def plan(
    one: Target, files: dict[str, Answer], listed: Answer | None = None, memory: Memory | None = None, **passwords: str
) -> tuple[TargetPlan, planner.Reading]:
    names = tuple(f"{name}.xml" for name, answer in files.items() if isinstance(answer, FileContent))
    answers: dict[Any, Answer] = {ListFolder(FOLDER): listed or FolderListing(names)}
    for request in planner.reads(one, answers):
        if isinstance(request, ReadFile):
            answers[request] = files.get(request.path.removeprefix(f"{FOLDER}/").removesuffix(".xml"), Absent())
    marks = PlainMarks(**{"ligue-54": "s3cret-now", **passwords})
    memories = dict.fromkeys(one.resources, memory) if memory else {}
    reading = planner.observe(one, answers.__getitem__, Knowledge(memories, marks), clock.now())
    return planner.plan(one, reading), reading


def cell(made: TargetPlan, address: str = ADDRESS):
    return next(cell for cell in made.cells if cell.address == address)


def test_an_account_that_is_right_is_in_sync_and_remembered_without_its_password() -> None:
    made, reading = plan(workstation(), {"dupont": account()})
    assert cell(made).status is Status.IN_SYNC
    assert made.changes == ()
    remembered = planner.memories(made.cells, reading)[ADDRESS].values
    assert remembered == {
        "siret": "12345678900015",
        "nom": "DUPONT",
        "prenom": "Hélène",
        "password": "mark:s3cret-now",
        "service": "97",
    }


def test_a_missing_account_is_made_and_its_password_only_named() -> None:
    made, _ = plan(workstation(), {})
    (edit,) = made.changes[0].edits
    assert cell(made).status is Status.PENDING
    assert edit.values["ne/motDePasse"] == Hidden("ligue-54", "dupont")
    assert edit.values["ne/nom"] == "DUPONT"
    assert edit.secret
    assert edit.private
    assert edit.new == NEW
    assert "s3cret" not in repr(edit)


def test_without_a_beginning_in_the_layout_a_person_opens_iea_once() -> None:
    made, _ = plan(workstation(new=False), {})
    assert (cell(made).status, cell(made).reason_code) == (Status.WAITING, "settings_absent")


@pytest.mark.parametrize(
    ("found", "note"),
    [
        ({"nom": "DUPONT "}, "a blank at its beginning or end"),
        ({"nom": "Dupont"}, "upper and lower case differ"),
        ({"siret": "99999999900015"}, ""),
    ],
)
def test_typing_errors_are_named(found: dict[str, str], note: str) -> None:
    made, _ = plan(workstation(), {"dupont": account(**found)})
    (difference,) = cell(made).differences
    assert difference.setting in found
    assert difference.note == note
    assert not difference.secret


def test_a_text_that_looks_like_a_switch_stays_a_text() -> None:
    made, _ = plan(workstation(), {"dupont": account(password="true")}, **{"ligue-54": "true"})
    assert cell(made).status is Status.IN_SYNC


def test_another_password_is_a_secret_difference() -> None:
    made, _ = plan(workstation(), {"dupont": account(password="0ld-secret")})
    (difference,) = cell(made).differences
    assert (difference.setting, difference.secret) == ("password", True)
    (edit,) = made.changes[0].edits
    assert dict(edit.values) == {"ne/motDePasse": Hidden("ligue-54", "dupont")}


def test_a_plain_password_drifts_by_hand_and_is_pending_by_the_files() -> None:
    right = Memory({"password": "mark:s3cret-now"}, clock.now())
    made, _ = plan(workstation(), {"dupont": account(password="by-hand")}, memory=right)
    assert cell(made).status is Status.DRIFTED
    made, _ = plan(workstation(), {"dupont": account()}, memory=right, **{"ligue-54": "rotated"})
    assert cell(made).status is Status.PENDING


def test_a_sealed_password_is_known_by_its_text_alone() -> None:
    one = workstation(seal=True)
    sealed = {"dupont": account(password="SEALED")}
    pushed = Memory({"password": "mark:s3cret-now", "password.sealed": "mark:SEALED"}, clock.now())
    made, reading = plan(one, sealed, memory=pushed)
    assert cell(made).status is Status.IN_SYNC
    assert planner.memories(made.cells, reading)[ADDRESS].values["password.sealed"] == "mark:SEALED"
    assert cell(plan(one, sealed, memory=pushed, **{"ligue-54": "rotated"})[0]).status is Status.PENDING
    by_hand = {"dupont": account(password="OTHER")}
    assert cell(plan(one, by_hand, memory=pushed)[0]).status is Status.DRIFTED
    made, _ = plan(one, sealed)
    assert cell(made).status is Status.PENDING
    (edit,) = made.changes[0].edits
    assert edit.values["ne/motDePasse"] == Hidden("ligue-54", "dupont", "seal")


def test_the_account_of_who_left_is_taken_away() -> None:
    one = workstation(absent=True)
    made, _ = plan(one, {"dupont": account()})
    (edit,) = made.changes[0].edits
    assert set(edit.values.values()) == {None}
    assert len(edit.values) == 5
    assert cell(plan(one, {})[0]).status is Status.IN_SYNC
    nothing = FileContent.of(b"<utilisateur><autre/></utilisateur>")
    assert cell(plan(one, {"dupont": nothing})[0]).status is Status.IN_SYNC


def test_a_password_that_cannot_be_had_leaves_the_account_unknown() -> None:
    made, _ = plan(
        target(
            layout=layout(),
            users={"dupont": User(net_entreprises="autre")},
            identities={"autre": IDENTITY},
            files={ADDRESS: f"{FOLDER}/dupont.xml"},
            resources=(ADDRESS,),
        ),
        {"dupont": account()},
    )
    assert (cell(made).status, cell(made).reason_code) == (Status.UNKNOWN, "secret_missing")
    assert made.changes == ()


def test_a_layout_that_does_not_say_where_leaves_it_to_a_person() -> None:
    one = target(
        users={"dupont": User(net_entreprises="ligue-54")}, identities={"ligue-54": IDENTITY}, resources=(ADDRESS,)
    )
    made, _ = plan(one, {})
    assert (cell(made).status, cell(made).reason_code) == (Status.WAITING, "not_in_layout")


def test_accounts_that_the_inventory_does_not_know_are_told() -> None:
    made, _ = plan(workstation(), {"dupont": account(), "stagiaire": account()})
    stranger = cell(made, "net_entreprises.stagiaire")
    assert (stranger.status, stranger.reason_code) == (Status.WARN, "account_unknown")
    assert "stagiaire" in stranger.reason
    assert cell(made).status is Status.IN_SYNC


def test_a_playbook_for_some_accounts_says_nothing_of_others() -> None:
    one = replace(workstation("dupont", "martin"), resources=("net_entreprises.dupont",))
    made, _ = plan(one, {"dupont": account(), "stagiaire": account()})
    assert [one.address for one in made.cells] == ["net_entreprises.dupont"]


def monoposte() -> Target:
    return workstation("Administrateur", installation="standalone")


def test_a_monoposte_has_administrateur() -> None:
    made, _ = plan(monoposte(), {"Administrateur": account(nom="X"), "autre": account()})
    assert made.changes[0].edits[0].path == f"{FOLDER}/Administrateur.xml"
    assert cell(made, "net_entreprises.autre").status is Status.WARN


def test_or_its_only_account() -> None:
    made, _ = plan(monoposte(), {"secretariat": account(nom="X")})
    assert made.changes[0].edits[0].path == f"{FOLDER}/secretariat.xml"
    assert [one.address for one in made.cells] == ["net_entreprises.Administrateur"]


def test_or_a_new_one_where_there_is_none() -> None:
    for listed in (FolderListing(()), Absent()):
        made, _ = plan(monoposte(), {}, listed)
        assert made.changes[0].edits[0].path == f"{FOLDER}/Administrateur.xml"


def test_several_accounts_of_other_names_are_an_error_that_names_them() -> None:
    made, _ = plan(monoposte(), {"anne": account(), "paul": account()})
    found = cell(made, "net_entreprises.Administrateur")
    assert (found.status, found.reason_code) == (Status.FAILED, "account_unclear")
    assert "« anne », « paul »" in found.reason
    assert made.changes == ()


def test_accounts_that_cannot_be_listed_are_unknown() -> None:
    made, _ = plan(monoposte(), {}, Failed("denied", "no rights"))
    found = cell(made, "net_entreprises.Administrateur")
    assert (found.status, found.reason_code) == (Status.UNKNOWN, "accounts_unread")


def test_a_reseau_user_named_administrateur_is_just_that_user() -> None:
    made, _ = plan(workstation("Administrateur"), {"secretariat": account()})
    assert made.changes[0].edits[0].path == f"{FOLDER}/Administrateur.xml"
