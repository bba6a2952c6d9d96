from __future__ import annotations

import asyncio
import base64
import importlib
import json
import os
import re
from pathlib import Path

import pytest
from windows_batches import (
    COMMAND,
    FOLDER,
    NEW,
    OLD,
    PRIVATE,
    SETTINGS,
    KilledError,
    Machine,
    answers,
    digest,
    line,
    replace,
    stdin,
)

from iea_fleet.lab import agent_batch, powershell, windows_files, windows_programs, windows_registry, windows_urls
from iea_fleet.lab.faults import Fault

OTHER = f"{FOLDER}/autre.properties"
SID = re.compile(rb"S-1-5-21(-\d+){3}-1001")
MAKE_PRIVATE = line("make_folder", path=PRIVATE, private="yes")


@pytest.fixture
def machine(tmp_path: Path) -> Machine:
    made = Machine(tmp_path / "nancy-01")
    made.at(PRIVATE).mkdir(mode=0o700)
    return made


def read(path: str, limit: int = 1000) -> str:
    return line("read_file", path=path, limit=limit)


def codes(said: list[tuple[str, dict[str, bytes]]]) -> list[str]:
    return [fields["code"].decode() if word == "failed" else word for word, fields in said]


def test_a_file_is_replaced_and_read_whatever_case_its_path_has(machine: Machine) -> None:
    said = machine.run(replace("c:/PROGRAMDATA/impactemploi/Connexion.Properties", NEW, OLD), read(SETTINGS))
    assert said == [("done", {"digest": digest(NEW).encode()}), ("content", {"content": NEW})]
    assert "C:/ProgramData/ImpactEmploi/connexion.properties" in machine.left()
    assert len(machine.left()) == 3


def test_what_is_not_as_expected_stays_and_nothing_after_it_is_tried(machine: Machine) -> None:
    said = machine.run(
        replace(OTHER, NEW, None),
        replace(SETTINGS, NEW, b"else"),
        read(SETTINGS),
        line("make_folder", path=f"{FOLDER}/new", private="no"),
        line("run_action", program=windows_programs.HOSTNAME, arguments="", stdin="", timeout=5, reads="no"),
        line("run_action", program=windows_programs.HOSTNAME, arguments="", stdin="", timeout=5, reads="yes"),
    )
    assert codes(said) == ["not_tried", "moved", "content", "not_tried", "not_tried", "ran"]
    assert said[1][1] == {"found": digest(OLD).encode()}
    assert said[5][1] == {"exit_code": b"0", "stdout": b"nancy-01\r\n", "stderr": b""}
    assert len(machine.left()) == 3


def test_a_session_that_reads_changes_nothing(machine: Machine) -> None:
    act = line("run_action", program=windows_programs.HOSTNAME, arguments="", stdin="", timeout=5, reads="no")
    said = machine.run(act, replace(SETTINGS, NEW, OLD), MAKE_PRIVATE, read(SETTINGS), mode="read_only")
    assert codes(said) == ["read_only", "read_only", "not_tried", "content"]


def test_folders_links_and_paths_that_are_none(machine: Machine) -> None:
    machine.at(f"{FOLDER}/link").symlink_to("connexion.properties")
    machine.at(f"{FOLDER}/away").symlink_to("/etc")
    asked = {
        read(FOLDER): "is_folder",
        read(f"{FOLDER}/none"): "absent",
        read(f"{FOLDER}/away/passwd"): "absent",
        read(SETTINGS, 3): "too_large",
        read("C:/a/con.txt"): "bad_path",
        read("C:/a/../b"): "bad_path",
        read("/etc/passwd"): "bad_path",
        read("C:"): "bad_path",
        line("list_folder", path=SETTINGS): "not_a_folder",
        line("list_folder", path="C:/"): "names",
        line("stat", path=f"{FOLDER}/link"): "is",
        line("remove_file", path=f"{FOLDER}/none", expected="absent"): "done",
        line("frobnicate", path=SETTINGS): "unknown_request",
        line("read_file", path=SETTINGS, limit="many"): "error",
        line("open_url", url="https://localhost:x/", timeout="1", roots=""): "error",
        line("stat"): "error",
        line("measure_room", path=f"{FOLDER}/none"): "absent",
    }
    assert codes(machine.run(*asked)) == list(asked.values())
    for change, code in {
        replace(f"{FOLDER}/link", NEW, OLD): "is_link",
        replace(FOLDER, NEW, OLD): "is_folder",
        replace(f"{FOLDER}/no/file", NEW, None): "no_folder",
        line("remove_file", path=SETTINGS, expected=digest(NEW)): "moved",
        line("make_folder", path=f"{FOLDER}/no/folder", private="no"): "no_folder",
        MAKE_PRIVATE: "moved",
    }.items():
        assert codes(machine.run(change)) == [code]
    assert machine.at(SETTINGS).read_bytes() == OLD


def test_private_is_told_by_its_owner_and_survives_a_replacement(machine: Machine) -> None:
    machine.at(PRIVATE).rmdir()
    made = [MAKE_PRIVATE, replace(SETTINGS, NEW, OLD, private="yes"), replace(SETTINGS, OLD, NEW, "1")]
    said = machine.run(line("stat", path=SETTINGS), *made, line("stat", path=SETTINGS), line("stat", path=PRIVATE))
    assert codes(said[1:4]) == ["done"] * 3
    told = [(fields["kind"], fields["owner"], fields["shared"]) for word, fields in said if word == "is"]
    assert SID.fullmatch(told[0][1])
    assert told[0][2] == b"yes"
    assert told[1:] == [(b"file", b"S-1-5-32-544", b"no"), (b"folder", b"S-1-5-32-544", b"no")]
    assert machine.at(SETTINGS).stat().st_mode & 0o777 == 0o600


def test_nothing_is_set_aside_where_others_may_read(machine: Machine) -> None:
    machine.at(PRIVATE).chmod(0o755)
    assert codes(machine.run(replace(SETTINGS, NEW, OLD), read(SETTINGS))) == ["shared_folder", "content"]
    assert machine.at(SETTINGS).read_bytes() == OLD


@pytest.mark.parametrize(
    ("fault", "code", "room"),
    [("read-only", "denied", False), ("disk-full", "disk_full", True), ("antivirus", "busy", False)],
)
def test_a_fault_refuses_the_write_and_nothing_stays_behind(
    machine: Machine, fault: str, code: str, room: bool
) -> None:
    machine.workstation.spoil(Fault(fault))
    before = machine.left()
    assert codes(machine.run(replace(SETTINGS, NEW, OLD), read(SETTINGS))) == [code, "content"]
    assert machine.left() == before
    assert machine.at(SETTINGS).read_bytes() == OLD
    ((_, told),) = machine.run(line("measure_room", path="C:/ProgramData"))
    assert (told["free"] == b"0") is room


def test_who_holds_a_file_for_a_moment_is_waited_for(machine: Machine) -> None:
    machine.workstation.spoil(Fault("antivirus"))

    async def both() -> bytes:
        loop = asyncio.get_running_loop()
        loop.call_later(0.3, machine.workstation.mend)
        return (await machine.ended(stdin(replace(SETTINGS, NEW, OLD)))).stdout

    assert codes(answers(asyncio.run(both()))) == ["done"]


def test_a_wrong_clock_shows_on_what_is_written(machine: Machine) -> None:
    machine.workstation.spoil(Fault("clock", 3))
    machine.run(replace(OTHER, NEW, None))
    assert abs(machine.at(OTHER).stat().st_mtime - machine.at(SETTINGS).stat().st_mtime - 3 * 3600) < 60


@pytest.mark.parametrize("after", [False, True])
def test_a_death_at_any_step_leaves_each_file_whole_or_set_aside(tmp_path: Path, after: bool) -> None:
    """One step more each time, until the process comes to its end."""
    seen: set[tuple[str, ...]] = set()
    for number in range(1, 100):
        machine = Machine(tmp_path / str(number))
        machine.at(PRIVATE).mkdir(mode=0o700)
        sent = stdin(replace(SETTINGS, NEW, OLD), replace(OTHER, NEW, None))
        try:
            asyncio.run(machine.ended(sent, machine.step(number, after)))
        except KilledError:
            # Whoever comes next is not kept waiting for a mutex that nobody holds.
            assert codes(machine.run(read(SETTINGS), MAKE_PRIVATE)) in (["content", "moved"], ["absent", "moved"])
        else:
            break
        there, aside = machine.at(SETTINGS), machine.at(f"{PRIVATE}/connexion.properties.0")
        assert (there if there.exists() else aside).read_bytes() in (OLD, NEW)
        assert there.exists() or aside.read_bytes() == OLD
        if machine.at(OTHER).exists():
            assert machine.at(OTHER).read_bytes() == NEW
            assert there.read_bytes() == NEW
        seen.add(tuple(each.removeprefix("C:/ProgramData/") for each in machine.left()))
    assert machine.at(SETTINGS).read_bytes() == machine.at(OTHER).read_bytes() == NEW
    assert machine.steps == number - 1 >= 10
    between = "ImpactEmploi/.connexion.properties.0", "iea-fleet/connexion.properties.0"
    assert any(set(between) <= set(each) and "ImpactEmploi/connexion.properties" not in each for each in seen)


def test_of_eight_that_race_one_wins(machine: Machine) -> None:
    async def race() -> list[str]:
        sent = [stdin(replace(SETTINGS, NEW + bytes([65 + one]), OLD, str(one))) for one in range(8)]
        ended = await asyncio.gather(*(machine.ended(each) for each in sent))
        return [code for each in ended for code in codes(answers(each.stdout))]

    assert sorted(asyncio.run(race())) == ["done", *["moved"] * 7]
    assert len(machine.left()) == 3


def test_a_mutex_that_nobody_gives_back_is_not_waited_for_long(machine: Machine) -> None:
    machine.powershell.mutex.patience = 0.05

    async def wait() -> bytes:
        async with machine.powershell.mutex.waited_for():
            return (await machine.ended(stdin(replace(SETTINGS, NEW, OLD), read(SETTINGS)))).stdout

    assert codes(answers(asyncio.run(wait()))) == ["agent_busy", "content"]


KEY = "HKLM/SOFTWARE/Impact Emploi"


def values(**data: tuple[str, bytes]) -> bytes:
    return b"".join(
        sorted(
            base64.b64encode(name.encode()) + b" " + kind.encode() + b" " + base64.b64encode(held) + b"\n"
            for name, (kind, held) in data.items()
        )
    )


def test_a_key_keeps_the_kinds_of_its_values_and_its_subkeys(machine: Machine) -> None:
    first = values(
        Serveur=("String", "réglé".encode()),
        Chemin=("ExpandString", b"%ProgramData%"),
        Port=("DWord", b"4294967295"),
        Grand=("QWord", b"18446744073709551615"),
        Postes=("MultiString", b"a\0\0b\0"),
        Cle=("Binary", b"\0\xff"),
        Rien=("None", b""),
    )
    second = values(Serveur=("String", b""), Port=("DWord", b"443"))
    put = line("replace_key", path=KEY, content=first, expected="absent")
    below = line("replace_key", path=f"{KEY}/Poste", content=b"", expected="absent")
    look = line("read_key", path=KEY.upper(), limit=9999)
    said = machine.run(put, below, look, line("replace_key", path=KEY, content=second, expected=digest(first)), look)
    assert [said[2][1], said[4][1]] == [{"content": first}, {"content": second}]
    kept = json.loads((machine.workstation.folder / windows_registry.FILE).read_bytes())
    assert kept[KEY]["Port"] == {"kind": "DWord", "data": 443}
    remove = line("remove_key", path=KEY, expected=digest(second))
    assert codes(machine.run(remove, look)) == ["error", "content"]
    above = line("read_key", path=KEY.rpartition("/")[0], limit=9999)
    assert machine.run(above) == [("content", {"content": b""})]
    gone = line("remove_key", path=f"{KEY}/poste", expected=digest(b""))
    assert codes(machine.run(gone, remove, look)) == ["done", "done", "absent"]


@pytest.mark.parametrize(
    ("request_", "code"),
    [
        (line("read_key", path="HKLM/SOFTWARE/none", limit=9), "absent"),
        (line("read_key", path="HKCU/SOFTWARE", limit=9), "bad_path"),
        (line("read_key", path=KEY.rpartition("/")[0] + "//x", limit=9), "bad_path"),
        (line("replace_key", path=KEY, content=values(a=("DWord", b"4294967296")), expected="absent"), "error"),
        (line("replace_key", path=KEY, content=values(a=("Text", b"")), expected="absent"), "error"),
        (line("replace_key", path=KEY, content=b"", expected=digest(b"")), "moved"),
        (line("remove_key", path=KEY, expected=digest(b"")), "moved"),
        (line("remove_key", path=KEY, expected="absent"), "done"),
    ],
)
def test_keys_that_are_not_there_or_none(machine: Machine, request_: str, code: str) -> None:
    assert codes(machine.run(request_)) == [code]


def test_a_death_between_two_values_leaves_the_key_half_written(machine: Machine) -> None:
    """Windows writes each value by itself: nothing else is promised."""
    both = values(a=("String", b"1"), b=("String", b"2"))
    sent = stdin(line("replace_key", path=KEY, content=both, expected="absent"))
    with pytest.raises(KilledError):
        asyncio.run(machine.ended(sent, machine.step(6, after=True)))
    ((_, said),) = machine.run(line("read_key", path=KEY, limit=999))
    assert said["content"] == values(a=("String", b"1"))


@pytest.mark.parametrize(
    ("command", "shell", "words"),
    [
        ("ls /", "cmd", b"'ls' is not recognized as an internal or external command"),
        ("ls /", "powershell", b"The term 'ls' is not recognized"),
        (f"{COMMAND} ", "cmd", b"another"),
        (COMMAND.replace("-NoProfile ", ""), "cmd", b"another"),
        ("powershell -Command Get-Date", "powershell", b"another"),
        (COMMAND + "A" * 8191, "cmd", b"too long"),
    ],
)
def test_another_command_line_is_refused(machine: Machine, command: str, shell: powershell.Shell, words: bytes) -> None:
    ended = asyncio.run(machine.powershell.run(command, stdin(read(SETTINGS)), machine.step(), shell))
    assert ended.exit_code == 1
    assert words in ended.stderr
    assert not ended.stdout
    assert machine.steps == 0


def test_another_script_is_refused(machine: Machine) -> None:
    sent = stdin(replace(SETTINGS, NEW, OLD), script=b"Remove-Item C:/ -Recurse")
    ended = asyncio.run(machine.ended(sent))
    assert (ended.exit_code, ended.stdout) == (1, b"")
    assert b"stand-in" in ended.stderr
    assert machine.at(SETTINGS).read_bytes() == OLD


@pytest.mark.parametrize("cut", [0, 1, 40, 70, 500, -1, -30])
def test_what_does_not_come_in_whole_is_not_carried_out(machine: Machine, cut: int) -> None:
    whole = stdin(replace(SETTINGS, NEW, OLD))
    ended = asyncio.run(machine.ended(whole[:cut].rstrip() if cut != -1 else whole.rstrip()[:-1]))
    assert (ended.exit_code, ended.stdout) == (90, b"IEA1-90\r\n")
    assert machine.at(SETTINGS).read_bytes() == OLD


@pytest.mark.parametrize(
    ("fault", "code", "words"),
    [
        ("torn-stdin", 90, b"IEA1-90"),
        ("constrained", 91, b"IEA1-91"),
        ("execution-policy", 1, b"running scripts is disabled on this system"),
        ("script-blocked", 1, b"blocked by your antivirus software"),
        ("powershell-blocked", 1, b"blocked by group policy"),
    ],
)
def test_what_keeps_the_agent_from_running(machine: Machine, fault: str, code: int, words: bytes) -> None:
    machine.workstation.spoil(Fault(fault))
    ended = asyncio.run(machine.ended(stdin(replace(SETTINGS, NEW, OLD))))
    assert ended.exit_code == code
    assert words in ended.stdout + ended.stderr
    assert machine.at(SETTINGS).read_bytes() == OLD


def test_noise_surrounds_the_answer(machine: Machine) -> None:
    machine.workstation.spoil(Fault("noise"))
    ended = asyncio.run(machine.ended(stdin(read(SETTINGS))))
    assert codes(answers(ended.stdout)) == ["content"]
    assert len(ended.stdout.strip().splitlines()) > 2
    assert ended.stderr.startswith(b"#< CLIXML")


MAINTENANCE = f"{FOLDER}/maintenance.exe"


def action(program: str, arguments: str, given: bytes = b"", timeout: float = 5) -> str:
    return line("run_action", program=program, arguments=arguments, stdin=given, timeout=str(timeout), reads="no")


def test_the_programs_of_the_layout_run_and_no_others(machine: Machine) -> None:
    said = machine.run(
        action(MAINTENANCE.replace("/", "\\").upper(), "relancer"),
        action(MAINTENANCE, "sceller", b"secret"),
        action(MAINTENANCE, '"relancer"'),
        action("C:/Windows/System32/cmd.exe", "/c dir"),
    )
    assert [(word, fields.get("exit_code"), fields.get("code")) for word, fields in said] == [
        ("ran", b"0", None),
        ("ran", b"0", None),
        ("ran", b"2", None),
        ("failed", None, b"action_not_found"),
    ]
    assert said[0][1]["stdout"] == b"failed\r\n"
    assert machine.workstation.seal.open(said[1][1]["stdout"].decode().strip()) == "secret"


def test_a_program_that_takes_too_long(machine: Machine) -> None:
    machine.workstation.spoil(Fault("seal-slow", 2000))
    assert codes(machine.run(action(MAINTENANCE, "sceller", b"secret", 0.1))) == ["action_timeout"]


def test_the_words_of_the_stand_in_are_those_of_the_protocol() -> None:
    """What the description of the protocol lists, and what the stand-in reads and says: the same words."""
    described = importlib.import_module("iea_fleet.transports.windows").__doc__
    assert described is not None
    requests = set(re.findall(r"\b[a-z]+_(?:file|folder|room|action|url|key)\b", described.split("Paths are")[0])) | {
        "stat"
    }
    answered = described.split("the class of the answer::")[1].split("The codes of")[0]
    classes = set(re.findall(r"(?:^|  )([a-z_]+)(?= |$)", answered, re.MULTILINE)) - {"and"}
    listed = re.search(r"a closed set: ``(.*?)``", described, re.DOTALL)
    assert listed is not None
    codes_of_protocol = set(listed[1].split())
    modules = (agent_batch, windows_files, windows_programs, windows_registry, windows_urls)
    source = "".join(Path(str(module.__file__)).read_text() for module in modules)
    said = set(re.findall(r'failed\(\s*"([a-z_]+)"', source)) | set(windows_files._CODES.values()) | {"error"}
    assert said == codes_of_protocol
    assert set(re.findall(r'answer\(\s*"([a-z_]+)"', source)) | {"failed"} == classes
    words = set(re.findall(r'"((?:[a-z]+_(?:file|folder|room|action|url|key))|stat)"', source)) - said
    assert words == requests


def test_the_workstation_s_registry_and_links_stay_inside(machine: Machine, tmp_path: Path) -> None:
    machine.at(f"{FOLDER}/out").symlink_to(tmp_path)
    said = machine.run(
        line("list_folder", path=f"{FOLDER}/out"), line("stat", path=f"{FOLDER}/out"), read(f"{FOLDER}/out/x")
    )
    assert codes(said) == ["absent", "is", "absent"]
    assert said[1][1]["kind"] == b"link"
    assert codes(machine.run(replace(f"{FOLDER}/out/x", NEW, None))) == ["no_folder"]
    assert not os.path.lexists(tmp_path / "x")
