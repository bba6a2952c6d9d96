"""IEA users on the workstations of the lab: what was typed there long ago, and how a password is sealed."""

from __future__ import annotations

import asyncio
import contextlib
import time
from itertools import pairwise
from pathlib import Path

import asyncssh
import pytest
from hypothesis import given
from hypothesis import strategies as st
from lab_visits import STATE, WS
from labs import LAYOUT, RunningLab, running_lab

from iea_fleet.core.templates import not_a_file_name
from iea_fleet.errors import LabError
from iea_fleet.formats import format_named
from iea_fleet.lab.identities import WHO, new_accounts
from iea_fleet.lab.seal import Seal
from iea_fleet.lab.users import ADMINISTRATOR, user_files, users

SEAL = Seal(b"x" * 32, WS)
PROGRAM = "/impact-emploi/maintenance sceller"


def sealed(office: RunningLab, value: bytes, command: str = PROGRAM) -> asyncssh.SSHCompletedProcess:
    async def visit() -> asyncssh.SSHCompletedProcess:
        async with office.visit(WS) as connection, connection.create_process(command, encoding=None) as process:
            # Whoever wants no input may be gone already.
            with contextlib.suppress(BrokenPipeError):
                process.stdin.write(value)
                process.stdin.write_eof()
            return await process.wait(timeout=20)

    return asyncio.run(visit())


def put_account(office: RunningLab, text: str, user: str = "petit") -> None:
    net_entreprises = LAYOUT.net_entreprises
    assert net_entreprises is not None
    file = office.file(WS, f"/impact-emploi/utilisateurs/{user}.xml")
    file.write_bytes(format_named("xml").patch(file.read_bytes(), {"netEntreprises/motDePasse": text}, "utf-8"))


def names(folder: Path) -> set[str]:
    return {path.stem for path in (folder / "impact-emploi/utilisateurs").iterdir()}


def test_users_have_old_accounts_or_none(session_lab: RunningLab) -> None:
    old = session_lab.account("nancy-01", "dupont")
    siret, nom, prenom = WHO["ligue-54"]
    assert old["siret"] == siret
    assert (old["nom"], old["prenom"]) == (f"{nom} ", prenom.lower())
    assert old["password"] == "Ligue2019"
    assert old["service"] == "97"
    assert session_lab.account("nancy-01", "martin") == {}
    assert session_lab.account("nancy-01", "Hélène Noël") == {}
    assert names(session_lab.file("nancy-01", "/")) == {"dupont", "martin"}
    assert names(session_lab.file("nancy-02", "/")) == {"dupont", "Hélène Noël", "stagiaire"}
    assert session_lab.account("nancy-02", "stagiaire")["nom"] == f"{nom} "
    assert session_lab.account("epinal-02", "parti")["siret"] == WHO["ligue-88"][0]


def test_files_of_users_are_for_their_owner_alone_and_nobody_reads_a_password_in_them(session_lab: RunningLab) -> None:
    found = list((session_lab.directory / "workstations").rglob("*.xml"))
    assert len(found) >= 8
    for path in found:
        assert path.stat().st_mode & 0o777 == 0o600
        assert b"Ligue2019" not in path.read_bytes()
    key = session_lab.directory / "seal.key"
    assert key.stat().st_mode & 0o777 == 0o600
    assert not key.is_relative_to(session_lab.directory / "workstations")


def test_every_office_has_users_and_only_one_workstation_knows_a_stranger() -> None:
    strangers = set()
    for number in range(200):
        for standalone in (False, True):
            known = set(users(number % 7, standalone))
            found = dict(user_files(number, number % 7, standalone, SEAL))
            there = {name.removeprefix("utilisateurs/").removesuffix(".xml") for name in found}
            if standalone:
                assert there == ({ADMINISTRATOR} if number % 2 == 0 else {"Geneviève"})
                assert known == {ADMINISTRATOR}
            else:
                strangers |= {(number, one) for one in there - known}
            assert not any(map(not_a_file_name, known | there))
            for content in found.values():
                format_named("xml").read(content, ["netEntreprises/siret"], "utf-8")
    assert strangers == {(1, "stagiaire")}
    assert {"ligue-54", "ligue-88", "ligue-55", None} == {i for n in range(3) for i in users(n, False).values()}


def test_a_monoposte_has_the_administrator_or_one_account(tmp_path: Path) -> None:
    with running_lab(tmp_path, workstations=3, offices=3) as running:
        assert [names(running.file(name, "/")) for name in running.names] == [
            {ADMINISTRATOR},
            {"Geneviève"},
            {ADMINISTRATOR},
        ]


def test_the_portal_s_passwords_are_drawn_for_each_lab_and_awkward_for_xml() -> None:
    drawn = [account.password for _ in range(5) for account in new_accounts()]
    assert len(set(drawn)) == 15
    for password in drawn:
        assert 12 <= len(password) <= 30
        assert all(character in password for character in "&<'é")
        assert password.isprintable()
        assert " " not in password


def test_a_sealed_value_differs_each_time_and_opens_on_that_workstation_alone(session_lab: RunningLab) -> None:
    with session_lab.restored() as office:
        value = "sésame &<'é' 1"
        answers = [sealed(office, value.encode()) for _ in range(3)]
        texts = [bytes(answer.stdout or b"").decode("ascii").removesuffix("\n") for answer in answers]
        assert [answer.exit_status for answer in answers] == [0, 0, 0]
        assert all(one != other for one, other in pairwise(texts))
        assert all(value not in text and text.isprintable() for text in texts)
        put_account(office, texts[0])
        assert office.account(WS, "petit")["password"] == value
        elsewhere = Seal((office.directory / "seal.key").read_bytes(), "nancy-01")
        with pytest.raises(LabError, match="not sealed on this workstation"):
            elsewhere.open(texts[0])
        put_account(office, "plain")
        with pytest.raises(LabError, match="not sealed on this workstation"):
            office.account(WS, "petit")


@pytest.mark.parametrize("value", [b"", b"\n", b"secret\n", b"se\ncret", b"\xff\xfe", b"a\x00b", b"x" * 300])
def test_what_cannot_be_sealed_is_refused_without_showing_it(office: RunningLab, value: bytes) -> None:
    ended = sealed(office, value)
    assert ended.exit_status == 1
    assert ended.stdout == b""
    assert ended.stderr
    assert b"cret" not in bytes(ended.stderr)


@given(st.text(st.characters(categories=["L", "N", "P", "S"]), min_size=1, max_size=30), st.text(max_size=9))
def test_what_is_sealed_is_what_is_opened(value: str, key: str) -> None:
    seal = Seal(key.encode(), WS)
    assert seal.open(seal.close(value)) == value


@given(st.text(max_size=40))
def test_anything_else_is_not_opened(text: str) -> None:
    with pytest.raises(LabError):
        SEAL.open(text)


def test_sealing_can_fail_and_be_slow(office: RunningLab) -> None:
    office.break_(WS, "seal-fails")
    ended = sealed(office, b"secret")
    assert (ended.exit_status, ended.stdout) == (1, b"")
    office.mend(WS)
    office.break_(WS, "seal-slow=300")
    start = time.perf_counter()
    assert sealed(office, b"secret").exit_status == 0
    assert time.perf_counter() - start >= 0.3
    office.mend(WS)
    assert sealed(office, b"secret", "/impact-emploi/maintenance").exit_status == 2
    assert sealed(office, b"secret", f"{PROGRAM} vite").exit_status == 2


def test_no_end_of_the_input_does_not_hold_the_program_for_ever(office: RunningLab) -> None:
    async def visit() -> int | None:
        async with office.visit(WS) as connection, connection.create_process(PROGRAM, encoding=None) as process:
            process.stdin.write(b"secret")
            async with asyncio.timeout(20):
                return (await process.wait()).exit_status

    assert asyncio.run(visit()) == 1


def test_a_relaunch_does_not_look_at_the_users(office: RunningLab) -> None:
    for path in office.file(WS, "/impact-emploi/utilisateurs").iterdir():
        path.write_bytes(b"<broken")
    ended = sealed(office, b"", "/impact-emploi/maintenance relancer")
    assert ended.exit_status == 0
    assert office.file(WS, STATE).exists()


def test_the_journal_tells_of_sealing_and_never_what(office: RunningLab) -> None:
    sealed(office, b"CANARY-value")
    sealed(office, b"CANARY\x00")
    journal = (office.directory / "lab.log").read_text("utf-8")
    assert f"{WS}: a value was sealed" in journal
    assert f"{WS}: nothing sealed" in journal
    assert "CANARY" not in journal
