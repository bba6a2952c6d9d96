"""How IEA keeps a password on a lab workstation: sealed with a key of that workstation, which no client sees.

How the real one does it is not published; a payroll program is said to have to encrypt it (guide of the DSN API).
"""

from __future__ import annotations

import base64
import hmac
from typing import Final

from cryptography.fernet import Fernet, InvalidToken

from iea_fleet.errors import LabError

KEY_FILE: Final = "seal.key"
"""In the folder of the lab: what the keys of its workstations are made from."""

_BEGINS = "scelle:1:"
_LONGEST = 256


class Seal:
    """The seal of one workstation; ``secret`` is the lab's."""

    def __init__(self, secret: bytes, workstation: str) -> None:
        self._key = Fernet(base64.urlsafe_b64encode(hmac.digest(secret, workstation.encode(), "sha256")))

    def close(self, value: str) -> str:
        """A sealed text, each time another one. LabError, without the value, for one that nobody could have typed."""
        if not value or len(value) > _LONGEST or not value.isprintable():
            raise LabError("cannot seal this: empty, too long, or with characters that nobody can type")
        return _BEGINS + self._key.encrypt(value.encode()).decode("ascii")

    def open(self, sealed: str) -> str:
        """What is in a sealed text. LabError when it was not sealed here."""
        try:
            return self._key.decrypt(sealed.removeprefix(_BEGINS).encode()).decode()
        except InvalidToken:
            raise LabError("not sealed on this workstation") from None
