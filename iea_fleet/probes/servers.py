"""Whether the workstation reaches its servers: the button « Tester l'accès aux serveurs », a verdict per address.

Source: the release note of V72: a green tick (« coche verte ») after each address, or a red barred circle. Being
reached is not being authorised: that is what the state probe tells.

    probes: [servers]
"""

from __future__ import annotations

from collections.abc import Mapping

from iea_fleet.model.inventory import is_web_address
from iea_fleet.model.layout import Scalar
from iea_fleet.model.matrix import OK, Cell, Status
from iea_fleet.model.request import Answer, Failed, NotReached, OpenUrl, Reached
from iea_fleet.model.target import Target

NAME = "servers"
ADDRESSES = ("authentication_url", "update_url")
TIMEOUT = 15
"""Seconds for one address: the connection, TLS and the first answer."""


def requests(target: Target, addresses: Mapping[str, Scalar]) -> dict[str, OpenUrl]:
    """What to ask for these addresses (by setting); what is no web address is not asked."""
    ca_file = target.server_connection.ca_file if target.server_connection else None
    return {
        setting: OpenUrl(url, TIMEOUT, ca_file)
        for setting in ADDRESSES
        if isinstance(url := addresses.get(setting), str) and is_web_address(url)
    }


def judge(setting: str, found: Scalar, answer: Answer | None) -> Cell:
    """The verdict on one address; ``found`` is what the setting holds, None when that is not known."""
    address = f"{NAME}.{setting}"
    match answer:
        case Reached(seconds, _, note):
            return Cell(address, OK, note, "redirected" if note else "", seconds=seconds)
        case NotReached(_, reason_code, reason, seconds):
            return Cell(address, Status.BAD, reason, reason_code, seconds=seconds)
        case Failed(reason_code, reason):
            return Cell(address, Status.UNKNOWN, reason, reason_code)
        case None if found is None:
            return Cell(address, Status.UNKNOWN, "which address the workstation uses is not known", "no_address")
        case None:
            return Cell(address, Status.BAD, "what stands there is no address of a server", "not_an_address")
        case _:
            raise AssertionError(f"an address was answered by {type(answer).__name__}")
