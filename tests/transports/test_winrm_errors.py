"""The map of what the libraries under WinRM raise is complete, and each answer of a workstation has its own words."""

from __future__ import annotations

import http.client
import importlib
import inspect
import pkgutil
import ssl
import warnings
from types import ModuleType

import pypsrp
import pytest
import requests
import spnego
import urllib3
from pypsrp.exceptions import WSManFaultError
from spnego.exceptions import NativeError, SpnegoError

from iea_fleet.errors import BrokenError, NotLetInError, TransportError
from iea_fleet.transports.winrm_errors import ERRORS, FAULTS, in_our_words
from iea_fleet.transports.winrm_refusals import CERTIFICATES, certificate_refused, unexpected_answer


def exceptions_of(package: ModuleType) -> set[type[BaseException]]:
    found: set[type[BaseException]] = set()
    for module in pkgutil.walk_packages(package.__path__, f"{package.__name__}."):
        if module.name.endswith("__main__") or ".contrib" in module.name or ".http2" in module.name:
            continue  # a program; what wants libraries that are not there
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", DeprecationWarning)  # empty modules that say that they will go
            loaded = importlib.import_module(module.name)
        found |= {
            each
            for _, each in inspect.getmembers(loaded, inspect.isclass)
            if issubclass(each, BaseException)
            and not issubclass(each, Warning)
            and each.__module__.partition(".")[0] == package.__name__
        }
    return found


def exceptions_of_http() -> set[type[BaseException]]:
    members = inspect.getmembers(http.client, inspect.isclass)
    return {each for _, each in members if issubclass(each, BaseException) and each.__module__ == "http.client"}


LIBRARIES = (pypsrp, spnego, requests, urllib3)
ALL = exceptions_of_http().union(*map(exceptions_of, LIBRARIES))


def test_every_exception_of_what_carries_our_messages_has_its_own_line() -> None:
    in_use = exceptions_of(pypsrp) | exceptions_of(spnego) | exceptions_of_http()
    assert len(in_use) >= 39
    assert not in_use - set(ERRORS), "add a line to ERRORS for each"


@pytest.mark.parametrize("kind", sorted(ALL, key=lambda kind: f"{kind.__module__}.{kind.__name__}"))
def test_each_becomes_a_sentence_with_a_hint(kind: type[BaseException]) -> None:
    assert any(base in ERRORS for base in kind.__mro__), "neither it nor a base of it is listed"
    error = in_our_words(kind.__new__(kind), "nancy-01", "iea-admin")
    assert isinstance(error, TransportError)
    assert "nancy-01" in error.sentence
    assert error.hint
    assert "{" not in str(error)
    assert error.code.replace("_", "").isalpha()


LOST = [EOFError(), ConnectionResetError(), BrokenPipeError(), http.client.IncompleteRead(b"")]


@pytest.mark.parametrize("error", LOST)
def test_a_connection_that_ends_is_lost(error: BaseException) -> None:
    found = in_our_words(error, "nancy-01")
    assert (type(found), found.code) == (BrokenError, "connection_lost")


@pytest.mark.parametrize(
    ("words", "code"),
    [
        ("Password has expired while getting initial credentials", "account_expired"),
        ("Client's credentials have been revoked while getting initial credentials", "account_expired"),
        ("Preauthentication failed while getting initial credentials", "password_refused"),
        ("Client not found in Kerberos database", "kerberos_failed"),
        ("Clock skew too great", "kerberos_failed"),
        ("Cannot find KDC for realm EXAMPLE.ORG", "kerberos_failed"),
        ("something new", "auth_refused"),
    ],
)
def test_kerberos_tells_what_is_wrong_with_the_account(words: str, code: str) -> None:
    error = in_our_words(SpnegoError(base_error=NativeError(words, maj_code=851968)), "nancy-01", "iea-admin")
    assert (type(error), error.code) == (NotLetInError, code)
    assert "iea-admin" in error.sentence or "nancy-01" in error.sentence


@pytest.mark.parametrize("code", sorted(FAULTS))
def test_every_fault_has_its_own_words(code: int) -> None:
    error = in_our_words(WSManFaultError(code, "NANCY-01", "the words of Windows", None, None, None), "nancy-01", "iea")
    assert error.code == FAULTS[code][1]
    assert "nancy-01" in error.sentence
    assert "{" not in str(error) or "@{" in error.hint


def test_a_fault_that_nobody_knows_is_shown_as_it_is() -> None:
    said = "line one\n  line two" + "x" * 500
    error = in_our_words(WSManFaultError(87, "NANCY-01", said, None, None, None), "nancy-01")
    assert error.code == "winrm_fault"
    assert "line one line two" in error.sentence
    assert "\n" not in error.sentence
    assert len(error.sentence) < 300


@pytest.mark.parametrize("verify_code", [*CERTIFICATES, 67])
def test_a_certificate_that_does_not_hold_shows_its_fingerprint_and_what_to_write(verify_code: int) -> None:
    refused = ssl.SSLCertVerificationError(1, "CERTIFICATE_VERIFY_FAILED")
    refused.verify_code, refused.verify_message = verify_code, "words of OpenSSL"
    shown = "sha256:" + "ab" * 32
    error = certificate_refused(refused, "nancy-01", shown)
    assert error.code == CERTIFICATES.get(verify_code, ("certificate_invalid", ""))[0]
    assert shown in error.sentence
    assert f"certificate: '{shown}'" in error.hint
    assert "sha256:…" in certificate_refused(refused, "nancy-01", "").hint


HTML = b"<!DOCTYPE html><html><body>Bienvenue</body></html>"


@pytest.mark.parametrize(
    ("status", "headers", "body", "code"),
    [
        (407, {"proxy-authenticate": "Basic"}, b"", "proxy_in_the_way"),
        (502, {}, b"", "proxy_in_the_way"),
        (504, {"content-type": "text/plain"}, b"", "proxy_in_the_way"),
        (302, {"location": "http://portail.example.org/"}, b"", "proxy_in_the_way"),
        (200, {"content-type": "text/html"}, HTML, "proxy_in_the_way"),
        (403, {"via": "1.1 squid", "content-type": "text/plain"}, b"no", "proxy_in_the_way"),
        (503, {"x-squid-error": "ERR"}, b"", "proxy_in_the_way"),
        (404, {"content-type": "text/html"}, HTML, "not_winrm"),
        (404, {"content-type": "text/html", "server": "Microsoft-HTTPAPI/2.0"}, HTML, "not_winrm"),
        (503, {"content-type": "text/html", "server": "Microsoft-HTTPAPI/2.0"}, HTML, "not_winrm"),
        (200, {"content-type": "application/json"}, b"{}", "not_winrm"),
        (413, {}, b"", "envelope_too_small"),
        (400, {}, b"The plain HTTP request was sent to HTTPS port", "https_on_http_port"),
    ],
)
def test_http_answers_that_are_none_of_winrm(status: int, headers: dict[str, str], body: bytes, code: str) -> None:
    error = unexpected_answer("nancy-01", "iea-admin", status, headers, body)
    assert error.code == code
    assert "nancy-01" in error.sentence
    assert error.hint
