from __future__ import annotations

import socket
import ssl
import time

import httpx
import pytest
from labs import RunningLab


def test_both_addresses_answer_under_both_names(office: RunningLab) -> None:
    with httpx.Client(verify=office.ca, trust_env=False) as client:
        for url in (office.info.authentication_url, office.info.update_url, f"{office.info.update_url}/"):
            for named in (url, url.replace("localhost", "127.0.0.1")):
                assert client.get(named).status_code == 200
        assert client.head(office.info.update_url).content == b""
        assert client.get(f"{office.info.authentication_url}/other").status_code == 404
        assert client.post(office.info.update_url, content=b"poste=nancy-01").status_code == 405


def test_only_the_lab_s_authority_vouches_for_them(office: RunningLab) -> None:
    with httpx.Client(trust_env=False) as client, pytest.raises(httpx.ConnectError, match="CERTIFICATE_VERIFY_FAILED"):
        client.get(office.info.authentication_url)


def test_plain_http_gets_nothing_of_use(office: RunningLab) -> None:
    with httpx.Client(trust_env=False) as client, pytest.raises(httpx.TransportError):
        client.get(office.info.authentication_url.replace("https:", "http:"))


def test_authentication_knows_refused_and_unlicensed_workstations(office: RunningLab) -> None:
    office.break_("nancy-01", "refused")
    office.break_("nancy-02", "licence")
    said = {}
    with httpx.Client(verify=office.ca, trust_env=False) as client:
        for name in ("nancy-01", "nancy-02", "toul-01", "stranger"):
            answer = client.post(office.info.authentication_url, data={"poste": name})
            said[name] = (answer.status_code, answer.text.strip())
    assert said == {
        "nancy-01": (403, "resultat=refus"),
        "nancy-02": (403, "resultat=licence"),
        "toul-01": (200, "resultat=accepte"),
        "stranger": (403, "resultat=licence"),
    }


def test_answers_do_not_wait_for_nagle(office: RunningLab) -> None:
    took = []
    with httpx.Client(verify=office.ca, trust_env=False) as client:
        for _ in range(15):
            start = time.perf_counter()
            client.post(office.info.authentication_url, data={"poste": "nancy-01"})
            took.append(time.perf_counter() - start)
    # The trap costs at least 40 ms each time; a busy machine is slow only now and then.
    assert min(took) < 0.035


@pytest.mark.parametrize(
    ("said", "status"),
    [
        (b"NONSENSE\r\n\r\n", b"400"),
        (b"GET / HTTP/1.1\r\nContent-Length: many\r\n\r\n", b"400"),
        (b"POST / HTTP/1.1\r\nContent-Length: 999999999\r\n\r\n", b"400"),
        (b"X" * 70_000, b""),
    ],
)
def test_nonsense_is_refused_and_the_servers_live_on(office: RunningLab, said: bytes, status: bytes) -> None:
    port = int(office.info.authentication_url.rpartition(":")[2])
    with (
        socket.create_connection(("127.0.0.1", port), timeout=5) as raw,
        office.ca.wrap_socket(raw, server_hostname="localhost") as tls,
    ):
        try:
            tls.sendall(said)
            answer = tls.recv(1000)
        except (ConnectionError, ssl.SSLError):
            answer = b""
    assert answer[9:12] == status
    with httpx.Client(verify=office.ca, trust_env=False) as client:
        assert client.get(office.info.authentication_url).status_code == 200


def test_servers_go_down_and_come_back_on_the_same_port(office: RunningLab) -> None:
    office.break_("servers", "servers-down")
    with httpx.Client(verify=office.ca, trust_env=False) as client:
        with pytest.raises(httpx.ConnectError):
            client.get(office.info.authentication_url)
        office.mend("servers")
        assert client.get(office.info.authentication_url).status_code == 200
