"""What every transport has to do, whatever wire it uses: one suite, run on each by a fixture of its own."""

from __future__ import annotations

import os
import stat
from collections.abc import Callable
from pathlib import Path

import pytest

from iea_fleet.model.request import (
    ABSENT,
    Absent,
    Done,
    Failed,
    FileContent,
    FileStat,
    FolderListing,
    ListFolder,
    MakeFolder,
    MeasureRoom,
    Moved,
    NotTried,
    Ran,
    ReadFile,
    RemoveFile,
    ReplaceFile,
    Room,
    RunAction,
    Stat,
    digest,
)
from iea_fleet.transports.base import Session

Far = Callable[[Path], str]
Hello = tuple[tuple[str, ...], bytes]
CRLF = b"\xef\xbb\xbf# r\xe9glages\r\nconnexion.securisee=non\r\n\x00\xff"


class TransportContract:
    """Needs the fixtures ``session`` (one that writes), ``opened`` (opens more) and ``folder`` (where both look).

    ``far`` says how a path here is called over there, ``hello`` is a program there and what it prints.
    """

    def test_reads_bytes_as_they_stand(self, session: Session, folder: Path, far: Far) -> None:
        (folder / "é à.properties").write_bytes(CRLF)
        (folder / "empty").write_bytes(b"")
        answers = session.carry_out([ReadFile(far(folder / "é à.properties")), ReadFile(far(folder / "empty"))])
        assert answers == [FileContent.of(CRLF), FileContent.of(b"")]

    def test_absent_is_absent_and_nothing_else(self, session: Session, folder: Path, far: Far) -> None:
        missing = far(folder / "missing")
        asked = [ReadFile(missing), ListFolder(missing), Stat(missing), ReadFile(f"{missing}/deeper")]
        assert session.carry_out(asked) == [Absent()] * 4

    @pytest.mark.parametrize("size", [32767, 32768, 32769, 65535, 65536, 65537, 3_000_000])
    def test_reads_and_replaces_files_of_any_size(self, session: Session, folder: Path, far: Far, size: int) -> None:
        content = os.urandom(size)
        file = folder / "big"
        file.write_bytes(content)
        assert session.carry_out([ReadFile(far(file))]) == [FileContent.of(content)]
        other = os.urandom(size)
        assert session.carry_out([ReplaceFile(far(file), other, digest(content))]) == [Done(digest(other))]
        assert file.read_bytes() == other

    def test_the_limit_is_the_last_size_that_is_read(self, session: Session, folder: Path, far: Far) -> None:
        (folder / "file").write_bytes(b"12345678")
        at, beyond = session.carry_out([ReadFile(far(folder / "file"), 8), ReadFile(far(folder / "file"), 7)])
        assert at == FileContent.of(b"12345678")
        assert isinstance(beyond, Failed)
        assert beyond.reason_code == "too_large"

    def test_a_folder_is_no_file_and_a_file_no_folder(self, session: Session, folder: Path, far: Far) -> None:
        (folder / "file").write_bytes(b"")
        as_file, as_folder = session.carry_out([ReadFile(far(folder)), ListFolder(far(folder / "file"))])
        assert isinstance(as_file, Failed)
        assert as_file.reason_code == "is_folder"
        assert isinstance(as_folder, Failed)
        assert as_folder.reason_code == "not_a_folder"

    def test_lists_names_sorted_however_many(self, session: Session, folder: Path, far: Far) -> None:
        names = sorted(f"n{number:04}" for number in range(700))
        for name in names:
            (folder / name).touch()
        assert session.carry_out([ListFolder(far(folder))]) == [FolderListing(tuple(names))]
        (folder / "inner").mkdir()
        assert session.carry_out([ListFolder(far(folder / "inner"))]) == [FolderListing(())]

    def test_stat_says_what_a_path_is(self, session: Session, folder: Path, far: Far) -> None:
        file = folder / "file"
        file.write_bytes(b"123")
        os.utime(file, (1_700_000_000, 1_700_000_000))
        of_file, of_folder = session.carry_out([Stat(far(file)), Stat(far(folder))])
        assert isinstance(of_file, FileStat)
        assert (of_file.kind, of_file.size, of_file.modified) == ("file", 3, 1_700_000_000)
        assert isinstance(of_folder, FileStat)
        assert of_folder.kind == "folder"

    def test_room_is_what_is_left_on_the_disk(self, session: Session, folder: Path, far: Far) -> None:
        room, none = session.carry_out([MeasureRoom(far(folder)), MeasureRoom(far(folder / "missing"))])
        disk = os.statvfs(folder)
        assert isinstance(room, Room)
        assert room.free == pytest.approx(disk.f_bavail * disk.f_frsize, rel=0.2)
        assert none == Absent()

    def test_a_new_file_only_where_none_is(self, session: Session, folder: Path, far: Far) -> None:
        file = folder / "new"
        assert session.carry_out([ReplaceFile(far(file), CRLF, ABSENT)]) == [Done(digest(CRLF))]
        assert session.carry_out([ReplaceFile(far(file), b"x", ABSENT)]) == [Moved(digest(CRLF))]
        assert file.read_bytes() == CRLF
        assert [each.name for each in folder.iterdir()] == ["new"]

    def test_what_moved_since_is_left_alone(self, session: Session, folder: Path, far: Far) -> None:
        file = folder / "file"
        file.write_bytes(b"by hand")
        assert session.carry_out([ReplaceFile(far(file), b"x", digest(b"old"))]) == [Moved(digest(b"by hand"))]
        assert session.carry_out([RemoveFile(far(file), digest(b"old"))]) == [Moved(digest(b"by hand"))]
        gone = far(folder / "gone")
        assert session.carry_out([ReplaceFile(gone, b"x", digest(b"old"))]) == [Moved(ABSENT)]
        assert session.carry_out([RemoveFile(gone, digest(b"old"))]) == [Moved(ABSENT)]
        assert file.read_bytes() == b"by hand"
        assert [each.name for each in folder.iterdir()] == ["file"]

    def test_removes_the_expected_file(self, session: Session, folder: Path, far: Far) -> None:
        (folder / "file").write_bytes(b"old")
        assert session.carry_out([RemoveFile(far(folder / "file"), digest(b"old"))]) == [Done(ABSENT)]
        assert session.carry_out([RemoveFile(far(folder / "file"), ABSENT)]) == [Done(ABSENT)]
        assert not list(folder.iterdir())

    def test_replacements_travel_together_and_stop_together(self, session: Session, folder: Path, far: Far) -> None:
        for name in "abc":
            (folder / name).write_bytes(b"old")
        wanted = [ReplaceFile(far(folder / name), b"new", digest(b"old")) for name in "abc"]
        (folder / "b").write_bytes(b"by hand")
        answers = session.carry_out([*wanted, ReadFile(far(folder / "a")), MakeFolder(far(folder / "d"))])
        assert answers == [NotTried(), Moved(digest(b"by hand")), NotTried(), FileContent.of(b"old"), NotTried()]
        (folder / "b").write_bytes(b"old")
        assert session.carry_out(wanted) == [Done(digest(b"new"))] * 3
        assert {each.read_bytes() for each in folder.iterdir()} == {b"new"}

    def test_nothing_is_acted_upon_what_was_not_written(
        self, session: Session, folder: Path, far: Far, hello: Hello
    ) -> None:
        failing = ReplaceFile(far(folder / "file"), b"new", digest(b"old"))
        acting, reading = RunAction(hello[0]), RunAction(hello[0], reads=True)
        moved, not_acted, ran = session.carry_out([failing, acting, reading])
        assert (moved, not_acted) == (Moved(ABSENT), NotTried())
        assert isinstance(ran, Ran)
        assert isinstance(session.carry_out([acting])[0], Ran)

    def test_the_same_file_twice_in_a_batch_is_replaced_in_order(
        self, session: Session, folder: Path, far: Far
    ) -> None:
        file = far(folder / "file")
        first, second = ReplaceFile(file, b"1", ABSENT), ReplaceFile(file, b"2", digest(b"1"))
        assert session.carry_out([first, second]) == [Done(digest(b"1")), Done(digest(b"2"))]
        assert (folder / "file").read_bytes() == b"2"

    def test_a_batch_is_carried_out_in_order(self, session: Session, folder: Path, far: Far) -> None:
        inner = folder / "inner"
        answers = session.carry_out(
            [
                Stat(far(inner)),
                MakeFolder(far(inner)),
                ReplaceFile(far(inner / "file"), b"1", ABSENT),
                ReadFile(far(inner / "file")),
                RemoveFile(far(inner / "file"), digest(b"1")),
                ListFolder(far(inner)),
                MakeFolder(far(inner)),
                RemoveFile(far(inner / "file"), ABSENT),
            ]
        )
        one = digest(b"1")
        done = [
            Absent(),
            Done(),
            Done(one),
            FileContent.of(b"1"),
            Done(ABSENT),
            FolderListing(()),
            Moved(""),
            NotTried(),
        ]
        assert answers == done

    def test_a_session_that_reads_refuses_every_change(
        self, opened: Callable[..., Session], folder: Path, far: Far, hello: Hello
    ) -> None:
        file = far(folder / "file")
        session = opened(read_only=True)
        for change in (
            ReplaceFile(file, b"1", ABSENT),
            RemoveFile(file, ABSENT),
            MakeFolder(file),
            RunAction(("touch", file)),
        ):
            with pytest.raises(PermissionError, match=type(change).__name__):
                session.carry_out([Stat(file), change])
        assert session.carry_out([Stat(file)]) == [Absent()]
        program, printed = hello
        (ran,) = session.carry_out([RunAction(program, reads=True)])
        assert isinstance(ran, Ran)
        assert (ran.exit_code, ran.stdout.strip()) == (0, printed)

    def test_a_folder_in_place_of_a_file_is_never_replaced(self, session: Session, folder: Path, far: Far) -> None:
        (folder / "file").mkdir()
        for change in (
            ReplaceFile(far(folder / "file"), b"", digest(b"")),
            RemoveFile(far(folder / "file"), digest(b"")),
        ):
            (answer,) = session.carry_out([change])
            assert isinstance(answer, Failed)
            assert answer.reason_code == "is_folder"
        assert [each.name for each in folder.iterdir()] == ["file"]

    def test_a_missing_folder_is_told(self, session: Session, folder: Path, far: Far) -> None:
        (answer,) = session.carry_out([ReplaceFile(far(folder / "no" / "file"), b"", ABSENT)])
        assert isinstance(answer, Failed)
        assert answer.reason_code == "no_folder"

    def test_closing_twice_does_no_harm(self, opened: Callable[..., Session]) -> None:
        session = opened()
        session.close()
        session.close()


class PosixContract:
    """What a POSIX file system lets a transport keep and refuse."""

    @pytest.mark.parametrize("mode", [0o600, 0o640, 0o664, 0o444])
    def test_mode_is_kept(self, session: Session, folder: Path, mode: int) -> None:
        file = folder / "file"
        file.write_bytes(b"old")
        file.chmod(mode)
        assert session.carry_out([ReplaceFile(str(file), b"new", digest(b"old"))]) == [Done(digest(b"new"))]
        assert stat.S_IMODE(file.stat().st_mode) == mode

    def test_private_is_for_the_owner_alone(self, session: Session, folder: Path) -> None:
        file, inner, shared = folder / "file", folder / "inner", folder / "shared"
        made = [MakeFolder(str(inner), True), ReplaceFile(str(file), b"1", ABSENT, True)]
        session.carry_out([*made, ReplaceFile(str(shared), b"1", ABSENT)])
        modes = [stat.S_IMODE(each.stat().st_mode) for each in (inner, file, shared)]
        assert modes == [0o700, 0o600, 0o644]

    @pytest.mark.parametrize("mode", [0o644, 0o666, 0o640, 0o755, 0o440, 0o600])
    def test_what_becomes_private_is_no_longer_for_others(self, session: Session, folder: Path, mode: int) -> None:
        file = folder / "file"
        file.write_bytes(b"old")
        file.chmod(mode)
        owner = (file.stat().st_uid, file.stat().st_gid)
        for old, new in ((b"old", b"new"), (b"new", b"newer")):
            assert session.carry_out([ReplaceFile(str(file), new, digest(old), True)]) == [Done(digest(new))]
            now = file.stat()
            assert (stat.S_IMODE(now.st_mode), now.st_uid, now.st_gid) == (mode & 0o700, *owner)

    def test_links_are_never_written_through(self, session: Session, folder: Path) -> None:
        target, link = folder / "target", folder / "link"
        target.write_bytes(b"old")
        link.symlink_to(target)
        for change in (
            ReplaceFile(str(link), b"new", digest(b"old")),
            RemoveFile(str(link), digest(b"old")),
            ReplaceFile(str(link), b"new", ABSENT),
        ):
            (answer,) = session.carry_out([change])
            assert isinstance(answer, Failed)
            assert answer.reason_code == "is_link"
        assert link.is_symlink()
        assert target.read_bytes() == b"old"
        (seen,) = session.carry_out([Stat(str(link))])
        assert isinstance(seen, FileStat)
        assert seen.kind == "link"

    def test_a_link_that_leads_nowhere_is_not_absent(self, session: Session, folder: Path) -> None:
        (folder / "link").symlink_to(folder / "gone")
        (read,) = session.carry_out([ReadFile(str(folder / "link"))])
        assert isinstance(read, Failed)
        assert read.reason_code == "leads_nowhere"
        (written,) = session.carry_out([ReplaceFile(str(folder / "link"), b"new", ABSENT)])
        assert isinstance(written, Failed)
        assert written.reason_code == "is_link"

    def test_files_of_several_names_are_refused(self, session: Session, folder: Path) -> None:
        file = folder / "file"
        file.write_bytes(b"old")
        (folder / "other name").hardlink_to(file)
        (answer,) = session.carry_out([ReplaceFile(str(file), b"new", digest(b"old"))])
        assert isinstance(answer, Failed)
        assert answer.reason_code == "many_names"
        assert sorted(each.name for each in folder.iterdir()) == ["file", "other name"]
        assert file.read_bytes() == b"old"

    def test_a_device_is_no_file(self, session: Session) -> None:
        (answer,) = session.carry_out([ReadFile("/dev/zero")])
        assert isinstance(answer, Failed)
        assert answer.reason_code == "not_a_file"

    def test_leftovers_of_a_dead_run_are_removed_and_nothing_else(self, session: Session, folder: Path) -> None:
        file = folder / "a+b.properties"
        file.write_bytes(b"old")
        dead = folder / ".a+b.properties.iea-fleet-0123456789abcdef"
        others = {".aab.properties.iea-fleet-0123456789abcdef", ".a+b.properties.iea-fleet-x", "a+b.properties~"}
        for name in (dead.name, *others):
            (folder / name).write_bytes(b"half")
        assert session.carry_out([ReplaceFile(str(file), b"new", digest(b"old"))]) == [Done(digest(b"new"))]
        session.carry_out([Stat(str(file))])
        assert {each.name for each in folder.iterdir()} == {file.name, *others}

    def test_long_names_leave_room_for_the_temporary_one(self, session: Session, folder: Path) -> None:
        file = folder / ("é" * 127)
        assert session.carry_out([ReplaceFile(str(file), b"1", ABSENT)]) == [Done(digest(b"1"))]
        assert file.read_bytes() == b"1"

    def test_words_of_an_action_are_neither_split_nor_expanded(self, session: Session) -> None:
        words = ("a  b", "$HOME", "`id`", "it's", "*", "", "é\n")
        (ran,) = session.carry_out([RunAction(("printf", "[%s]", *words))])
        assert isinstance(ran, Ran)
        assert ran.stdout.decode() == "".join(f"[{word}]" for word in words)
