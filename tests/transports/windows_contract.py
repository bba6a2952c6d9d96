"""What every transport to Windows has to do beyond what all do, on a lab workstation with a stand-in for PowerShell."""

from __future__ import annotations

import base64
import json
import os
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from transport_contract import Far, Hello
from windows_endpoints import Endpoint

from iea_fleet.errors import BrokenError
from iea_fleet.model.request import (
    ABSENT,
    Absent,
    Answer,
    Done,
    Failed,
    FileContent,
    FileStat,
    FolderListing,
    ListFolder,
    MakeFolder,
    Moved,
    ReadFile,
    RemoveFile,
    ReplaceFile,
    Stat,
    digest,
)
from iea_fleet.transports.base import Session

ADMINISTRATORS = "S-1-5-32-544"
KEY = "HKLM/SOFTWARE/ImpactEmploi/Connexion"


def registry_lines(values: dict[str, tuple[str, bytes]]) -> bytes:
    """The content of a key, as the protocol writes it."""
    encoded = (
        b" ".join((base64.b64encode(name.encode()), kind.encode(), base64.b64encode(data)))
        for name, (kind, data) in values.items()
    )
    return b"".join(line + b"\n" for line in sorted(encoded))


VALUES = registry_lines(
    {
        "": ("String", "é".encode()),
        "Serveur": ("ExpandString", b"%ProgramData%\\IEA"),
        "Adresses": ("MultiString", b"a\0b\0"),
        "Port": ("DWord", b"4294967295"),
        "Long": ("QWord", b"18446744073709551615"),
        "Octets": ("Binary", b"\x00\xff"),
        "Rien": ("None", b""),
    }
)


def about(answer: Answer) -> FileStat:
    assert isinstance(answer, FileStat)
    return answer


class WindowsContract:
    """Needs the fixtures ``endpoint`` and ``opened``; the others of the transport contract it brings along."""

    @pytest.fixture
    def folder(self, endpoint: Endpoint[Any]) -> Path:
        inner = endpoint.workstation.folder / "C:/ProgramData/travail"
        inner.mkdir()
        return inner

    @pytest.fixture
    def far(self, endpoint: Endpoint[Any]) -> Far:
        return endpoint.far

    @pytest.fixture
    def hello(self, endpoint: Endpoint[Any]) -> Hello:
        return ("C:/Windows/System32/hostname.exe",), endpoint.workstation.name.encode()

    @pytest.fixture
    def session(self, opened: Callable[..., Session]) -> Session:
        return opened()

    def test_private_is_for_administrators_alone(self, session: Session, folder: Path, far: Far) -> None:
        inner, file, open_file = far(folder / "inner"), far(folder / "file"), far(folder / "open")
        made = [MakeFolder(inner, True), ReplaceFile(file, b"1", ABSENT, True), ReplaceFile(open_file, b"1", ABSENT)]
        answers = session.carry_out([*made, Stat(inner), Stat(file), Stat(open_file)])
        assert answers[:3] == [Done(), Done(digest(b"1")), Done(digest(b"1"))]
        of_inner, of_file, of_open = map(about, answers[3:])
        assert (of_inner.shared, of_file.shared, of_open.shared) == (False, False, True)
        assert of_inner.owner == of_file.owner == ADMINISTRATORS
        assert of_open.owner.startswith("S-1-5-21-")
        assert of_inner.mode is of_file.mode is None

    def test_what_becomes_private_is_no_longer_for_others(self, session: Session, folder: Path, far: Far) -> None:
        file = folder / "file"
        file.write_bytes(b"old")
        changed = ReplaceFile(far(file), b"new", digest(b"old"), private=True)
        before, done, after = session.carry_out([Stat(far(file)), changed, Stat(far(file))])
        assert (about(before).shared, done, about(after).shared) == (True, Done(digest(b"new")), False)

    def test_a_key_is_read_replaced_and_removed_with_its_kinds(self, session: Session, endpoint: Endpoint[Any]) -> None:
        assert session.carry_out([ReadFile(KEY)]) == [Absent()]
        assert session.carry_out([ReplaceFile(KEY, VALUES, ABSENT), ReadFile(KEY)]) == [
            Done(digest(VALUES)),
            FileContent.of(VALUES),
        ]
        kept = json.loads((endpoint.workstation.folder / "HKLM.json").read_bytes())[KEY]
        assert {name: value["kind"] for name, value in kept.items()}["Port"] == "DWord"
        other = registry_lines({"Serveur": ("String", b"b")})
        assert session.carry_out([ReplaceFile(KEY, other, digest(VALUES))]) == [Done(digest(other))]
        moved = [ReplaceFile(KEY, VALUES, ABSENT), RemoveFile(KEY, digest(VALUES))]
        for change in moved:
            assert session.carry_out([change]) == [Moved(digest(other))]
        assert session.carry_out([RemoveFile(KEY, digest(other)), ReadFile(KEY)]) == [Done(ABSENT), Absent()]
        assert session.carry_out([ReadFile(KEY.upper().replace("HKLM/SOFTWARE", "HKLM/Software"))]) == [Absent()]

    def test_a_key_and_a_file_are_replaced_together_or_not_at_all(
        self, session: Session, folder: Path, far: Far
    ) -> None:
        file = far(folder / "file")
        both = [ReplaceFile(KEY, VALUES, ABSENT), ReplaceFile(file, b"1", digest(b"old"))]
        *_, second = session.carry_out(both)
        assert second == Moved(ABSENT)
        assert session.carry_out([ReadFile(KEY), ReadFile(file)]) == [Absent(), Absent()]

    def test_a_file_that_somebody_holds_is_read_and_not_replaced(
        self, session: Session, endpoint: Endpoint[Any]
    ) -> None:
        endpoint.spoil("antivirus")
        settings = f"{endpoint.workstation.layout.root}/connexion.properties"
        (now,) = session.carry_out([ReadFile(settings)])
        assert isinstance(now, FileContent)
        for change in (ReplaceFile(settings, b"x", now.digest), RemoveFile(settings, now.digest)):
            (answer,) = session.carry_out([change])
            assert isinstance(answer, Failed)
            assert (answer.reason_code, settings in answer.reason) == ("file_busy", True)
        folder, name = settings.rsplit("/", 1)
        (names,) = session.carry_out([ListFolder(folder)])
        assert isinstance(names, FolderListing)
        assert [each for each in names.names if each.startswith(f".{name}")] == []

    def test_of_eight_writers_one_wins(
        self, opened: Callable[..., Session], folder: Path, far: Far, endpoint: Endpoint[Any]
    ) -> None:
        file = folder / "file"
        file.write_bytes(b"old")
        sessions = [opened() for _ in range(8)]
        barrier = threading.Barrier(8)
        answers: dict[int, Answer] = {}

        def write(number: int) -> None:
            barrier.wait()
            change = ReplaceFile(far(file), b"writer %d" % number, digest(b"old"))
            (answers[number],) = sessions[number].carry_out([change])

        threads = [threading.Thread(target=write, args=(number,)) for number in range(8)]
        for each in threads:
            each.start()
        for each in threads:
            each.join()
        (winner,) = (number for number, answer in answers.items() if isinstance(answer, Done))
        content = b"writer %d" % winner
        assert file.read_bytes() == content
        others = [answer for number, answer in answers.items() if number != winner]
        assert others == [Moved(digest(content))] * 7
        assert [each.name for each in folder.iterdir()] == ["file"]
        assert list(endpoint.private.iterdir()) == []

    def test_links_are_never_written_through(self, session: Session, folder: Path, far: Far) -> None:
        target, link = folder / "target", folder / "link"
        target.write_bytes(b"old")
        link.symlink_to(target)
        for change in (
            ReplaceFile(far(link), b"new", digest(b"old")),
            RemoveFile(far(link), digest(b"old")),
            ReplaceFile(far(link), b"new", ABSENT),
        ):
            (answer,) = session.carry_out([change])
            assert isinstance(answer, Failed)
            assert answer.reason_code == "is_link"
        assert target.read_bytes() == b"old"

    def test_names_are_the_same_whatever_their_case(self, session: Session, folder: Path, far: Far) -> None:
        (folder / "Été.XML").write_bytes(b"1")
        assert session.carry_out([ReadFile(far(folder / "été.xml"))]) == [FileContent.of(b"1")]
        changed = ReplaceFile(far(folder / "ÉTÉ.xml"), b"2", digest(b"1"))
        assert session.carry_out([changed]) == [Done(digest(b"2"))]
        assert [each.name for each in folder.iterdir()] == ["Été.XML"]

    def test_a_drive_is_its_root(self, session: Session) -> None:
        for batch in ([ListFolder("C:"), Stat("C:")], [ListFolder("C:"), Stat("C:"), ReadFile(KEY)]):
            names, root, *_ = session.carry_out(batch)
            assert isinstance(names, FolderListing)
            assert "ProgramData" in names.names
            assert about(root).kind == "folder"

    @pytest.mark.parametrize("path", ["relative", "C:/nul", "C:/a:b"])
    def test_a_path_that_windows_does_not_take(self, session: Session, path: str) -> None:
        (answer,) = session.carry_out([ReplaceFile(path, b"", ABSENT)])
        assert isinstance(answer, Failed)
        assert answer.reason_code == "bad_path"

    def test_noise_around_the_answer_is_ignored(
        self, session: Session, folder: Path, far: Far, endpoint: Endpoint[Any]
    ) -> None:
        endpoint.spoil("noise")
        assert session.carry_out([ReplaceFile(far(folder / "file"), b"1", ABSENT)]) == [Done(digest(b"1"))]

    @pytest.mark.parametrize(
        ("fault", "code"),
        [
            ("torn-stdin", "agent_torn"),
            ("constrained", "constrained_language"),
            ("execution-policy", "execution_policy"),
            ("script-blocked", "antivirus_blocked"),
            ("powershell-blocked", "powershell_blocked"),
        ],
    )
    def test_what_keeps_the_agent_from_working_has_its_own_code(
        self, session: Session, folder: Path, far: Far, endpoint: Endpoint[Any], fault: str, code: str
    ) -> None:
        endpoint.spoil(fault)
        with pytest.raises(BrokenError) as caught:
            session.carry_out([ReplaceFile(far(folder / "file"), os.urandom(3000), ABSENT)])
        assert caught.value.code == code
        assert caught.value.hint
        assert not list(folder.iterdir())

    def test_a_slow_start_of_powershell_is_waited_for(
        self, opened: Callable[..., Session], folder: Path, far: Far, endpoint: Endpoint[Any]
    ) -> None:
        endpoint.spoil("slow-powershell=1500")
        patient, hurried = opened(), opened(timeout=1)
        assert patient.carry_out([MakeFolder(far(folder / "inner"))]) == [Done()]
        with pytest.raises(BrokenError) as caught:
            hurried.carry_out([ReadFile(KEY)])
        assert caught.value.code == "went_silent"
