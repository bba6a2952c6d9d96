"""WS-Management by hand, to the letter: what no client's library would say, or would hide."""

from __future__ import annotations

import base64
import contextlib
import http.client
import ssl
import uuid
from dataclasses import dataclass
from xml.etree import ElementTree as ET
from xml.sax.saxutils import escape

from winrm_endpoints import PASSWORD, USER, Endpoints

from iea_fleet.lab.powershell import shipped_command_line
from iea_fleet.lab.winrm_server import WinrmWorkstation
from iea_fleet.lab.winrm_shells import CMD, COMMAND, CREATE, DELETE, RECEIVE, SEND, SIGNAL
from iea_fleet.model.request import Request
from iea_fleet.transports.windows import frames, requests

SHELL = "{http://schemas.microsoft.com/wbem/wsman/1/windows/shell}"
_FAULT = ".//{http://schemas.microsoft.com/wbem/wsman/1/wsmanfault}WSManFault"
_HEAD = """<s:Envelope xmlns:s="http://www.w3.org/2003/05/soap-envelope"
 xmlns:a="http://schemas.xmlsoap.org/ws/2004/08/addressing"
 xmlns:w="http://schemas.dmtf.org/wbem/wsman/1/wsman.xsd"
 xmlns:rsp="http://schemas.microsoft.com/wbem/wsman/1/windows/shell">"""


class FaultError(Exception):
    """The code of a WSManFault."""

    def __init__(self, code: int) -> None:
        super().__init__(code)
        self.code = code


class StatusError(Exception):
    """An HTTP status without a message."""

    def __init__(self, status: int) -> None:
        super().__init__(status)
        self.status = status


def batch(*asked: Request, read_only: bool = True) -> bytes:
    """What the agent is sent on its standard input."""
    lines = [requests.line(one, "C:/ProgramData/iea-fleet") for one in asked]
    return frames.standard_input(b"".join([requests.head("1", read_only=read_only), *lines]))


@dataclass
class Speaker:
    """One connection over HTTPS with Basic."""

    connection: http.client.HTTPConnection
    shell: str = ""
    command: str = ""
    largest: int = 153_600
    longest: int = 0

    def tell(
        self,
        action: str,
        body: str = "",
        *,
        resource: str = CMD,
        timeout: str = "PT5S",
        options: str = "",
        number: str = "",
    ) -> ET.Element:
        """Send a message; the answer as a whole. FaultError, StatusError."""
        number = number or f"uuid:{uuid.uuid4()}"
        text = (
            f"{_HEAD}<s:Header><a:Action>{escape(action)}</a:Action><a:MessageID>{escape(number)}</a:MessageID>"
            f"<w:ResourceURI>{escape(resource)}</w:ResourceURI><w:MaxEnvelopeSize>{self.largest}</w:MaxEnvelopeSize>"
            f"<w:OperationTimeout>{timeout}</w:OperationTimeout><w:OptionSet>{options}</w:OptionSet>"
            f'<w:SelectorSet><w:Selector Name="ShellId">{escape(self.shell)}</w:Selector></w:SelectorSet></s:Header>'
            f"<s:Body>{body}</s:Body></s:Envelope>"
        )
        answer = self.send(text.encode())
        assert answer.findtext(".//{http://schemas.xmlsoap.org/ws/2004/08/addressing}RelatesTo") == number
        fault = answer.find(_FAULT)
        if fault is not None:
            raise FaultError(int(fault.attrib["Code"]))
        return answer

    def send(self, body: bytes) -> ET.Element:
        """Send what may be a message."""
        known = base64.b64encode(f"{USER}:{PASSWORD}".encode()).decode()
        fields = {"Authorization": f"Basic {known}", "Content-Type": "application/soap+xml;charset=UTF-8"}
        self.connection.request("POST", "/wsman", body, fields)
        answer = self.connection.getresponse()
        came = answer.read()
        if not came:
            raise StatusError(answer.status)
        self.longest = max(self.longest, len(came))
        return ET.fromstring(came)

    def create(self, idle: str = "PT60S") -> None:
        asked = f"<rsp:Shell><rsp:IdleTimeOut>{idle}</rsp:IdleTimeOut></rsp:Shell>"
        self.shell = self.tell(CREATE, asked).findtext(f".//{SHELL}ShellId") or ""

    def start(self, line: str = "", options: str = "") -> None:
        asked = (
            f"<rsp:CommandLine><rsp:Command>{escape(line or shipped_command_line())}</rsp:Command></rsp:CommandLine>"
        )
        self.command = self.tell(COMMAND, asked, options=options).findtext(f".//{SHELL}CommandId") or ""

    def feed(self, piece: bytes, *, last: bool = True) -> None:
        about = f'Name="stdin" CommandId="{self.command}" End="{str(last).lower()}"'
        self.tell(SEND, f"<rsp:Send><rsp:Stream {about}>{base64.b64encode(piece).decode()}</rsp:Stream></rsp:Send>")

    def receive(self, timeout: str = "PT5S") -> tuple[dict[str, bytes], int | None]:
        """What came, and the exit code when that was all."""
        asked = f'<rsp:DesiredStream CommandId="{self.command}">stdout stderr</rsp:DesiredStream>'
        answer = self.tell(RECEIVE, f"<rsp:Receive>{asked}</rsp:Receive>", timeout=timeout)
        came = {"stdout": b"", "stderr": b""}
        for stream in answer.iter(f"{SHELL}Stream"):
            came[stream.attrib["Name"]] += base64.b64decode(stream.text or "")
        code = answer.findtext(f".//{SHELL}ExitCode")
        return came, None if code is None else int(code)

    def receive_all(self) -> tuple[bytes, bytes, int]:
        out, err, code = b"", b"", None
        while code is None:
            came, code = self.receive()
            out, err = out + came["stdout"], err + came["stderr"]
        return out, err, code

    def signal(self) -> None:
        code = "http://schemas.microsoft.com/wbem/wsman/1/windows/shell/signal/terminate"
        self.tell(SIGNAL, f'<rsp:Signal CommandId="{self.command}"><rsp:Code>{code}</rsp:Code></rsp:Signal>')

    def delete(self) -> None:
        self.tell(DELETE)

    def run(self, stdin: bytes) -> tuple[bytes, bytes, int]:
        """A whole session: a shell, the agent in it, the end of both."""
        self.create()
        self.start()
        self.feed(stdin)
        came = self.receive_all()
        self.signal()
        self.delete()
        return came


def speak(lab: Endpoints, one: WinrmWorkstation) -> Speaker:
    """A connection that ends with the test."""
    trust = ssl.create_default_context(cafile=lab.ca)
    connection = http.client.HTTPSConnection("127.0.0.1", one.port, timeout=10, context=trust)
    return Speaker(lab.closing.enter_context(contextlib.closing(connection)))
