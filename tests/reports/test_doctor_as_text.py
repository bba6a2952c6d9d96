from dataclasses import replace

from drawn_fleets import drawn, same_as_golden
from rich.console import Group

from iea_fleet.model.examination import GUIDED, Examination, Finding, Step
from iea_fleet.reports.doctor_as_text import examination_text, totals_text

WAY_IN = (
    Step("name", Finding.OK, "nancy-01.example is 10.54.0.1, 10.54.1.1", seconds=0.0021),
    Step(
        "port",
        Finding.WARN,
        "10.54.1.1:22 accepts the connection, but nancy-01 (10.54.0.1:22) does not answer",
        "remove 10.54.0.1 from the DNS: each visit waits for it",
        "address_dead",
        20.002,
    ),
    Step("first_word", Finding.OK, "SSH-2.0-OpenSSH_for_Windows_9.5", seconds=0.0034),
)
KEY = Step(
    "host_key",
    Finding.OK,
    "ED25519 SHA256:Mj5xUlY+Xj0MyDTRfv5pRkOmF4qJHpz3ViEpZOoXcz0, pinned in the inventory",
    seconds=0.05,
)
REFUSED = Step(
    "login",
    Finding.BAD,
    "nancy-01 does not accept the key for iea-admin",
    "put its public key into authorized_keys of iea-admin there, or correct user and key_file",
    "key_refused",
    0.31,
)
LEFT = tuple(
    Step(name, Finding.NOT_TRIED, "needs login")
    for name in ("powershell", "folders", "settings", "version", "run", "writing", "private", "room", "clock")
)
BAD = Examination("nancy-01", "nancy", "Windows, SSH, iea-admin at nancy-01.example:22", (*WAY_IN, KEY, REFUSED, *LEFT))
WELL = Examination("nancy-02", "nancy", "POSIX, SSH, iea-admin at 10.54.0.2:22", (WAY_IN[0], WAY_IN[2], KEY))
WARNED = Examination(
    "nancy-03",
    "nancy",
    "POSIX, SSH, iea-admin at 10.54.0.3:22",
    (
        WAY_IN[0],
        Step("writing", Finding.NOT_TRIED, "nothing is written: --read-only"),
        Step("room", Finding.WARN, "80 MB free at /impact-emploi", "make room there", "little_room", 0.001),
        Step("clock", Finding.NOT_TRIED, "it is told by the file that writing makes"),
    ),
)
OFFLINE = Examination(
    "toul-01",
    "toul",
    "Windows, WinRM over HTTPS, iea-admin at 10.55.0.1:5986",
    (
        Step(
            "port", Finding.BAD, "toul-01 (10.55.0.1:5986) does not answer", "look whether it is switched on", "x", 20.0
        ),
    ),
    offline=True,
)
BY_HAND = Examination(
    "toul-02",
    "toul",
    "",
    (Step(GUIDED, Finding.NOT_TRIED, "a person sets this workstation at the window", "the fiche: …", GUIDED),),
)
ALL = (BAD, WELL, WARNED, OFFLINE, BY_HAND)


def told(*, whole: bool) -> Group:
    return Group(*(examination_text(one, whole=whole) for one in ALL), totals_text(ALL))


def test_all_steps_of_few_workstations() -> None:
    same_as_golden("doctor-80.txt", drawn(told(whole=True)))


def test_what_is_wrong_of_many_workstations() -> None:
    same_as_golden("doctor-many-80.txt", drawn(told(whole=False)))


def test_nothing_is_wider_than_the_terminal() -> None:
    for width in (50, 80, 120):
        assert max(map(len, drawn(told(whole=True), width).splitlines())) <= width


def test_what_a_server_says_is_no_order_to_the_terminal() -> None:
    evil = replace(WELL, steps=(Step("first_word", Finding.BAD, "it says \x1b[2J", "do \x07 this", "not_ssh"),))
    assert "\x1b" not in drawn(examination_text(evil, whole=True))
    assert "\x07" not in drawn(examination_text(evil, whole=True))


def test_the_verdict_and_the_exit_code_are_of_the_worst_step() -> None:
    assert [one.verdict for one in ALL] == ["bad", "ok", "warn", "offline", "guided"]
    assert [one.exit_code for one in ALL] == [1, 0, 0, 4, 0]
    assert replace(BAD, steps=LEFT).verdict == "interrupted"
