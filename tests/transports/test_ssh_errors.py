"""The map of paramiko's exceptions is complete, and what we rely on inside paramiko is as it was."""

from __future__ import annotations

import importlib
import inspect
import pkgutil
import socket
import subprocess
from pathlib import Path

import paramiko
import pytest
from sshd import make_key, public_half

from iea_fleet.errors import BrokenError, TransportError
from iea_fleet.transports.connection import Connection
from iea_fleet.transports.fingerprint import describe, fingerprint
from iea_fleet.transports.ssh_errors import ERRORS, in_our_words
from iea_fleet.transports.wire import Wire


def exceptions_of_paramiko() -> set[type[BaseException]]:
    found = set()
    for module in pkgutil.iter_modules(paramiko.__path__):
        if module.name in ("_winapi", "win_pageant", "win_openssh"):
            continue  # they import on Windows alone
        loaded = importlib.import_module(f"paramiko.{module.name}")
        found |= {
            each
            for _, each in inspect.getmembers(loaded, inspect.isclass)
            if issubclass(each, BaseException) and each.__module__.startswith("paramiko")
        }
    return found


def test_every_exception_of_paramiko_has_its_own_line() -> None:
    found = exceptions_of_paramiko()
    assert len(found) >= 19
    assert not found - set(ERRORS), "add a line to ERRORS for each"


@pytest.mark.parametrize("kind", sorted(exceptions_of_paramiko(), key=lambda kind: kind.__name__))
def test_each_becomes_a_sentence_with_a_hint(kind: type[BaseException]) -> None:
    error = in_our_words(kind.__new__(kind), "nancy-01")
    assert isinstance(error, TransportError)
    assert "nancy-01" in error.sentence
    assert error.hint
    assert "{" not in str(error)
    assert error.code.replace("_", "").isalpha()


@pytest.mark.parametrize("error", [None, EOFError(), ConnectionResetError(), TimeoutError()])
def test_a_connection_that_ends_is_lost(error: BaseException | None) -> None:
    found = in_our_words(error, "nancy-01")
    assert (type(found), found.code) == (BrokenError, "connection_lost")


def test_the_cheap_key_exchange_comes_first() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        connection = Connection(Wire(socket.create_connection(listener.getsockname())), "x", 1, 1)
        order = connection.transport.get_security_options().kex
        connection.close()
    assert order[0].startswith("curve25519-sha256")
    costly = [name for name in order if "diffie-hellman" in name]
    assert order[-len(costly) :] == tuple(costly)


def test_fingerprints_are_those_of_ssh_keygen(tmp_path: Path) -> None:
    for kind in ("ed25519", "ecdsa", "rsa"):
        path = make_key(tmp_path / kind, kind)
        command = ["ssh-keygen", "-l", "-f", f"{path}.pub"]
        said = subprocess.run(command, check=True, capture_output=True, text=True).stdout.split()
        key = public_half(path)
        assert str(describe(key)).split() == [said[0], said[1], said[3]]
        assert fingerprint(key) == said[1]


@pytest.mark.parametrize(
    "text", ["", "ssh-ed25519", "ssh-ed25519 not-base64!", "ssh-ed25519 AAAA", "ssh-dss AAAAB3NzaC1kc3M="]
)
def test_what_is_no_host_key(text: str) -> None:
    with pytest.raises(ValueError, match="no host key"):
        describe(text)
