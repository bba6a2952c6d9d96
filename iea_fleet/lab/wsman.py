"""WS-Management as Windows speaks it: a SOAP message read, an answer written, a fault with the code of Windows.

Sources: DMTF DSP0226 (WS-Management), MS-WSMV (the shells of Windows), ``wsmerror.h`` (the codes).
"""

from __future__ import annotations

import re
import uuid
from dataclasses import dataclass
from typing import Final
from xml.etree import ElementTree as ET
from xml.sax.saxutils import escape, quoteattr

SOAP_TYPE: Final = "application/soap+xml;charset=UTF-8"
_NAMES: Final = {
    "s": "http://www.w3.org/2003/05/soap-envelope",
    "a": "http://schemas.xmlsoap.org/ws/2004/08/addressing",
    "x": "http://schemas.xmlsoap.org/ws/2004/09/transfer",
    "w": "http://schemas.dmtf.org/wbem/wsman/1/wsman.xsd",
    "rsp": "http://schemas.microsoft.com/wbem/wsman/1/windows/shell",
    "p": "http://schemas.microsoft.com/wbem/wsman/1/wsman.xsd",
}
SHELL: Final = _NAMES["rsp"]
TRANSFER: Final = _NAMES["x"]
CONFIG: Final = "http://schemas.microsoft.com/wbem/wsman/1/config"
_FAULTS: Final = "http://schemas.microsoft.com/wbem/wsman/1/wsmanfault"
_FAULT_ACTION: Final = "http://schemas.dmtf.org/wbem/wsman/1/wsman/fault"
_DETAILS: Final = "http://schemas.dmtf.org/wbem/wsman/1/wsman/faultDetail"
_ANONYMOUS: Final = f"{_NAMES['a']}/role/anonymous"
_OPENING: Final = (
    f'<s:Envelope xml:lang="en-US" {" ".join(f"xmlns:{name}={quoteattr(url)}" for name, url in _NAMES.items())}>'
)
_DURATION: Final = re.compile(
    r"P(?:(?P<days>\d{1,5})D)?(?:T(?:(?P<hours>\d{1,6})H)?(?:(?P<minutes>\d{1,7})M)?(?:(?P<seconds>\d{1,9}(?:\.\d+)?)S)?)?",
    re.ASCII,
)


class UnreadableError(Exception):
    """What was sent is no message of WS-Management."""


class WsmanFault(Exception):  # noqa: N818 - what SOAP and MS-WSMV call it
    """A refusal in the words of WS-Management; ``sender`` tells whose fault it is, ``detail`` the FaultDetail."""

    def __init__(self, code: int, subcode: str, sentence: str, *, sender: bool = True, detail: str = "") -> None:
        super().__init__(sentence)
        self.code, self.subcode, self.sentence, self.sender, self.detail = code, subcode, sentence, sender, detail


def timed_out() -> WsmanFault:
    """Nothing to tell within OperationTimeout: the client asks again. ERROR_WSMAN_OPERATION_TIMEDOUT."""
    said = "The WS-Management service cannot complete the operation within the time specified in OperationTimeout."
    return WsmanFault(2150858793, "w:TimedOut", said, sender=False)


def not_found(what: str) -> WsmanFault:
    """No such shell or command, or no longer. ERROR_WSMAN_UNEXPECTED_SELECTORS."""
    said = f"The request contains invalid selectors: {what} was not found on the server."
    return WsmanFault(2150858843, "w:InvalidSelectors", said, detail="UnexpectedSelectors")


def too_many_shells(most: int) -> WsmanFault:
    """ERROR_WSMAN_QUOTA_MAX_SHELLS."""
    said = f"This user is allowed a maximum number of {most} concurrent shells, which has been exceeded."
    return WsmanFault(2150859173, "w:QuotaLimit", said)


def too_many_operations() -> WsmanFault:
    """ERROR_WSMAN_QUOTA_MAX_OPERATIONS."""
    said = "The maximum number of concurrent operations for this user has been exceeded."
    return WsmanFault(2150859174, "w:QuotaLimit", said)


def unknown_action(action: str) -> WsmanFault:
    """ERROR_WSMAN_INVALID_ACTIONURI."""
    return WsmanFault(2150858753, "a:ActionNotSupported", f"The WS-Addressing action URI is invalid: {action}")


def unknown_resource(uri: str) -> WsmanFault:
    """ERROR_WSMAN_INVALID_RESOURCE_URI."""
    said = f"The resource URI is missing or it has an incorrect format: {uri}"
    return WsmanFault(2150858811, "a:DestinationUnreachable", said)


def malformed(what: str) -> WsmanFault:
    """ERROR_WSMAN_SCHEMA_VALIDATION_ERROR."""
    said = f"The SOAP XML in the message does not match the corresponding XML schema definition: {what}"
    return WsmanFault(2150858817, "w:SchemaValidationError", said)


def no_such_program() -> WsmanFault:
    """ERROR_FILE_NOT_FOUND."""
    said = "The system cannot find the file specified."
    return WsmanFault(2147942402, "w:InternalError", said, sender=False)


def pipe_ended() -> WsmanFault:
    """The process does not read any more. ERROR_BROKEN_PIPE."""
    return WsmanFault(2147942509, "w:InternalError", "The pipe has been ended.", sender=False)


def aborted() -> WsmanFault:
    """The command ended under a pending Receive. ERROR_OPERATION_ABORTED."""
    said = "The I/O operation has been aborted because of either a thread exit or an application request."
    return WsmanFault(995, "w:InternalError", said, sender=False)


@dataclass(frozen=True, slots=True)
class Message:
    """One request. ``timeout`` is seconds, ``largest`` bytes of the answer; ``shell`` the selected one, or empty."""

    action: str
    number: str
    resource: str
    shell: str
    options: dict[str, str]
    timeout: float
    largest: int
    body: ET.Element

    @classmethod
    def read(cls, raw: bytes) -> Message:
        """A message as it was sent. UnreadableError when it is none."""
        try:
            root = ET.fromstring(raw)  # noqa: S314 - of clients that were let in, and expat refuses entity bombs
        except (ET.ParseError, ValueError, LookupError) as error:
            raise UnreadableError(str(error)) from error
        head, body = root.find("s:Header", _NAMES), root.find("s:Body", _NAMES)
        if head is None or body is None:
            raise UnreadableError("no header or no body")
        largest = text(head, "w:MaxEnvelopeSize")
        return cls(
            text(head, "a:Action"),
            text(head, "a:MessageID"),
            text(head, "w:ResourceURI"),
            text(head, "w:SelectorSet/w:Selector[@Name='ShellId']").upper(),
            {one.get("Name", ""): one.text or "" for one in head.findall("w:OptionSet/w:Option", _NAMES)},
            seconds(text(head, "w:OperationTimeout"), 60.0),
            int(largest) if largest.isascii() and largest.isdigit() else 153_600,
            body,
        )

    def element(self, path: str) -> ET.Element:
        """An element of the body. The fault ``malformed`` when it is not there."""
        found = self.body.find(path, _NAMES)
        if found is None:
            raise malformed(f"{path} is missing")
        return found

    def answer(self, body: str) -> bytes:
        """The answer to it, with this body as XML."""
        return self._envelope(f"{self.action}Response", body)

    def refusal(self, fault: WsmanFault) -> bytes:
        """The answer that says why not."""
        said = escape(fault.sentence)
        detail = f"<w:FaultDetail>{_DETAILS}/{fault.detail}</w:FaultDetail>" if fault.detail else ""
        return self._envelope(
            _FAULT_ACTION,
            f"<s:Fault><s:Code><s:Value>s:{'Sender' if fault.sender else 'Receiver'}</s:Value><s:Subcode><s:Value>"
            f'{fault.subcode}</s:Value></s:Subcode></s:Code><s:Reason><s:Text xml:lang="en-US">{said}</s:Text>'
            f'</s:Reason><s:Detail>{detail}<f:WSManFault xmlns:f="{_FAULTS}" Code="{fault.code}" Machine="127.0.0.1">'
            f"<f:Message>{said}</f:Message></f:WSManFault></s:Detail></s:Fault>",
        )

    def _envelope(self, action: str, body: str) -> bytes:
        return (
            f"{_OPENING}<s:Header><a:Action>{escape(action)}</a:Action><a:MessageID>uuid:{new_id()}</a:MessageID>"
            f"<a:To>{_ANONYMOUS}</a:To><a:RelatesTo>{escape(self.number)}</a:RelatesTo></s:Header>"
            f"<s:Body>{body}</s:Body></s:Envelope>"
        ).encode()


def texts(element: ET.Element, path: str) -> list[str]:
    """The texts of all elements there."""
    return [found.text or "" for found in element.findall(path, _NAMES)]


def elements(element: ET.Element, path: str) -> list[ET.Element]:
    """All elements there."""
    return element.findall(path, _NAMES)


def text(element: ET.Element, path: str) -> str:
    """The text of the first element there, without the blanks around it; empty when there is none."""
    return (element.findtext(path, "", _NAMES) or "").strip()


def seconds(duration: str, otherwise: float) -> float:
    """An XML Schema duration without years and months, in seconds.

    >>> seconds("PT1M0.5S", 60.0)
    60.5
    """
    found = _DURATION.fullmatch(duration)
    if not found or not any(found.groups()):
        return otherwise
    days, hours, minutes, rest = (float(part or 0) for part in found.groups())
    return ((days * 24 + hours) * 60 + minutes) * 60 + rest


def new_id() -> str:
    """An identifier as Windows makes them."""
    return str(uuid.uuid4()).upper()
