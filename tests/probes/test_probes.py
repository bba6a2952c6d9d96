from __future__ import annotations

import pytest
from targets import LAYOUT, target

from iea_fleet.model.matrix import Status
from iea_fleet.model.request import Absent, Answer, Failed, FileContent, NotReached, OpenUrl, Reached
from iea_fleet.model.target import ServerConnection
from iea_fleet.probes import servers, state, version


@pytest.mark.parametrize(
    ("content", "status", "code"),
    [
        (b"etat=connecte\n", Status.IN_SYNC, "tray_connected"),
        (b"etat=echec\nmotif=serveur injoignable\n", Status.BAD, "tray_failed"),
        (b"etat=assistance\n", Status.WARN, "tray_assistance"),
        (b"etat=refus\n", Status.BAD, "tray_refused"),
        (b"etat=licence\n", Status.BAD, "tray_licence"),
        (b"etat=autre\n", Status.UNKNOWN, "no_state"),
        (b"", Status.UNKNOWN, "no_state"),
    ],
)
def test_the_tray_state_is_the_layouts_words(content: bytes, status: Status, code: str) -> None:
    cell = state.judge(target(), FileContent.of(content))
    assert (cell.address, cell.status, cell.reason_code) == ("state.tray", status, code)


def test_the_reason_of_the_state_file_is_told() -> None:
    cell = state.judge(target(), FileContent.of(b"etat=echec\nmotif=serveur injoignable\n"))
    assert "cœur rouge" in cell.reason
    assert "serveur injoignable" in cell.reason


@pytest.mark.parametrize("answer", [Absent(), Failed("no_rights", "the account may not read it"), None])
def test_a_state_that_cannot_be_told_is_unknown(answer: Answer | None) -> None:
    assert state.judge(target(), answer).status is Status.UNKNOWN
    assert version.judge(target(), answer).status is Status.UNKNOWN


@pytest.mark.parametrize(
    ("text", "status", "said"),
    [
        ("3.02.004", Status.IN_SYNC, "3.02.004"),
        ("V.3.01.002", Status.IN_SYNC, "3.01.002"),
        ("V72", Status.IN_SYNC, "3.00.72"),
        ("V-70", Status.WARN, "3.00.70"),
        ("3.03.001", Status.WARN, "3.03.001"),
        ("inconnue", Status.UNKNOWN, "no version"),
    ],
)
def test_versions_are_read_as_people_write_them(text: str, status: Status, said: str) -> None:
    cell = version.judge(target(), FileContent.of(f"version={text}\n".encode()))
    assert cell.status is status
    assert said in cell.reason


def test_one_verdict_for_each_address_with_its_seconds() -> None:
    cell = servers.judge("update_url", "https://x.example", Reached(0.25, 200))
    assert (cell.address, cell.status, cell.seconds) == ("servers.update_url", Status.IN_SYNC, 0.25)
    cell = servers.judge(
        "update_url", "https://x.example", NotReached("connect", "refused", "nobody listens there", 0.1)
    )
    assert (cell.status, cell.reason_code, cell.seconds) == (Status.BAD, "refused", 0.1)


def test_a_forwarding_that_is_refused_says_nothing_of_the_server() -> None:
    cell = servers.judge("update_url", "https://x.example", Failed("forwarding_refused", "not allowed"))
    assert cell.status is Status.UNKNOWN


def test_what_is_no_address_is_not_asked() -> None:
    found = {"authentication_url": "https://x.example ", "update_url": "https://x.example/updates"}
    asked = servers.requests(target(), found)
    assert asked == {"update_url": OpenUrl("https://x.example/updates", servers.TIMEOUT)}
    assert servers.judge("authentication_url", found["authentication_url"], None).status is Status.BAD
    assert servers.judge("authentication_url", None, None).status is Status.UNKNOWN


def test_addresses_are_judged_by_the_inventorys_authority() -> None:
    one = target(server_connection=ServerConnection(secure=True, ca_file="/etc/iea/ca.pem"))
    (request,) = servers.requests(one, {"update_url": "https://x.example"}).values()
    assert request.ca_file == "/etc/iea/ca.pem"


def test_a_layout_without_a_state_file_is_not_read() -> None:
    layout = {key: value for key, value in LAYOUT.items() if key not in ("state_file", "version_file")}
    one = target(layout=layout, files={"server_connection": "/iea/connexion.properties"})
    assert (state.reads(one), version.reads(one)) == ((), ())
