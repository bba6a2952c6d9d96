"""Logging in over SSH by what the connection configures, and by nothing else."""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

import paramiko
from paramiko import Message, PKey
from paramiko.auth_handler import AuthHandler
from pydantic import SecretStr

from iea_fleet.errors import NotLetInError, TransportError
from iea_fleet.transports.base import Reach
from iea_fleet.transports.connection import Connection
from iea_fleet.transports.keys import SHARED, KeyRing
from iea_fleet.transports.ssh_errors import WIRE_ERRORS, in_our_words

_AGENT_KEYS: Final = 5
"""How many keys of an agent are offered: sshd ends the connection after the sixth attempt (MaxAuthTries)."""


@dataclass(frozen=True, slots=True)
class Credentials:
    """What somebody logs in with. Equal ones can share a connection."""

    user: str
    password: SecretStr | None = None
    key_file: str | None = None
    key_passphrase: SecretStr | None = None
    agent: bool = False

    @classmethod
    def of(cls, reach: Reach, user: str | None = None) -> Credentials:
        """Those of a workstation, or the same for another ``user`` (on its jump host)."""
        return cls(user or reach.user, reach.password, reach.key_file, reach.key_passphrase, reach.agent)


def log_in(connection: Connection, credentials: Credentials, keys: KeyRing = SHARED) -> None:
    """Log in with the key file, then the agent, then the password, as far as they are configured.

    A password is sent once. NotLetInError: ``no_credentials``, ``key_refused``, ``agent_missing``, ``agent_refused``,
    ``password_refused``, ``password_not_accepted``, ``more_asked``, and those of ``KeyRing.load``.
    """
    name = connection.name
    refused: NotLetInError | None = None
    if credentials.key_file is not None:
        refused = _by_key(connection, credentials.user, keys.load(credentials.key_file, credentials.key_passphrase))
        if refused is None:
            return
    if credentials.agent:
        refused = _by_agent(connection, credentials.user)
        if refused is None:
            return
    if credentials.password is not None:
        refused = _by_password(connection, credentials.user, credentials.password)
        if refused is None:
            return
    raise refused or NotLetInError(
        f"nothing is configured to log in at {name} with",
        "set key_file, password or agent in its connection",
        code="no_credentials",
    )


class _Attempt(AuthHandler):
    """One attempt to log in, which asks for the service only if nobody has asked yet.

    paramiko asks for it before every attempt: a round trip each, and some servers end the connection at the second
    (RFC 4253 §10 has one request). The two methods are not public: a test holds their behaviour.
    """

    service_is_on = False

    def _request_auth(self) -> None:
        if not self.service_is_on:
            super()._request_auth()  # type: ignore[misc]
            return
        accepted = Message()
        accepted.add_string("ssh-userauth")
        accepted.rewind()
        self._parse_service_accept(accepted)  # type: ignore[attr-defined]


def _attempt(connection: Connection, start: Callable[[_Attempt, threading.Event], object]) -> Exception | None:
    """One attempt: None when we are in, else what paramiko says of it."""
    transport, done = connection.transport, threading.Event()
    handler = _Attempt(transport)
    handler.service_is_on = transport.auth_handler is not None
    transport.auth_handler = handler
    try:
        start(handler, done)
    except WIRE_ERRORS as error:
        raise connection.lost(error) from error
    connection.wait(done)
    if transport.is_authenticated():
        return None
    said = transport.get_exception() or paramiko.AuthenticationException()
    if isinstance(said, paramiko.ssh_exception.PartialAuthentication):
        raise in_our_words(said, connection.name)
    return said


def _by_key(connection: Connection, user: str, key: PKey) -> NotLetInError | None:
    if _attempt(connection, lambda attempt, done: attempt.auth_publickey(user, key, done)) is None:
        return None
    return NotLetInError(
        f"{connection.name} does not accept the key for {user}",
        f"put its public key into authorized_keys of {user} there, or correct user and key_file",
        code="key_refused",
    )


def _by_agent(connection: Connection, user: str) -> NotLetInError | None:
    try:
        agent = paramiko.Agent()
    except WIRE_ERRORS:
        agent = None
    offered = agent.get_keys() if agent is not None else ()
    try:
        if not offered:
            return NotLetInError(
                f"the SSH agent for {connection.name} is not running or holds no key",
                "start it and run ssh-add, or use key_file",
                code="agent_missing",
            )
        if any(_by_key(connection, user, key) is None for key in offered[:_AGENT_KEYS]):
            return None
    finally:
        if agent is not None:
            agent.close()
    return NotLetInError(
        f"{connection.name} accepts none of the first {_AGENT_KEYS} keys of the SSH agent for {user}",
        "name the right one with key_file",
        code="agent_refused",
    )


def _by_password(connection: Connection, user: str, password: SecretStr) -> NotLetInError | None:
    name = connection.name
    secret = password.get_secret_value()
    error: Exception | None = _attempt(connection, lambda attempt, done: attempt.auth_password(user, secret, done))
    if isinstance(error, paramiko.BadAuthenticationType):
        # The server did not look at it: RFC 4252 lists the methods that can go on, and password is none of them.
        if "keyboard-interactive" not in error.allowed_types:
            return NotLetInError(
                f"{name} lets nobody in by password",
                "configure key_file in its connection, or allow PasswordAuthentication in its sshd_config",
                code="password_not_accepted",
            )
        answer = _OneAnswer(secret)
        try:
            error = _attempt(connection, lambda attempt, done: attempt.auth_interactive(user, answer, done))
        except TransportError as lost:
            if not answer.asked_again:
                raise
            error = lost
            if answer.more_asked:
                return NotLetInError(
                    f"{name} asks for more than the password of {user}",
                    "log in there once by hand (an expired password, a second factor), or configure key_file",
                    code="more_asked",
                )
    if error is None:
        return None
    return NotLetInError(
        f"{name} does not accept the password of {user}",
        "correct it before the next run: several wrong ones can lock the account",
        code="password_refused",
    )


class _OneAnswer:
    """Answers the first question with the password, and ends the connection at any other.

    ``asked_again``: there was another one; ``more_asked``: and it was not the same, as after a wrong password.
    """

    def __init__(self, secret: str) -> None:
        self._secret = secret
        self._question = ""
        self.asked_again = False
        self.more_asked = False

    def __call__(self, _title: str, _instructions: str, prompts: list[tuple[str, bool]]) -> list[str]:
        if not prompts:
            return []
        if self._question or len(prompts) > 1:
            self.asked_again = True
            self.more_asked = len(prompts) > 1 or prompts[0][0] != self._question
            # An empty answer would count as one more wrong password.
            raise paramiko.AuthenticationException("asked again")
        self._question = prompts[0][0] or "?"
        return [self._secret]
