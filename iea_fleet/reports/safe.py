"""Text from workstations and files, made harmless for a terminal.

A reason may quote what a server or a settings file said: an escape sequence in it would be obeyed by the terminal, a
right-to-left mark would change what a person reads.
"""

from __future__ import annotations

import unicodedata
from typing import Final

from iea_fleet.model.layout import Scalar

REPLACEMENT: Final = "�"
_BLANKS: Final = "\t\n\v\f\r\x85\u2028\u2029"
_BLANK_LIKE: Final = {ord(character): " " for character in _BLANKS}


def printable(text: str) -> str:
    r"""The text on one line: line ends and tabs are blanks, control and format characters are replaced.

    >>> printable("red: \x1b[31m, then a line end\nhere")
    'red: �[31m, then a line end here'
    """
    if text.isprintable():
        return text
    return "".join(
        character if character.isprintable() or unicodedata.category(character) == "Zs" else REPLACEMENT
        for character in text.translate(_BLANK_LIKE)
    )


def value(setting: Scalar) -> str:
    """A value of a setting as a person reads it. Quoted where its end or an odd character would not be seen.

    >>> value(True), value(None), value("https://x"), value("https://x ")
    ('true', 'absent', 'https://x', '"https://x "')
    """
    if setting is None:
        return "absent"
    if isinstance(setting, bool):
        return "true" if setting else "false"
    if not isinstance(setting, str):
        return str(setting)
    plain = setting and setting.isprintable() and setting == setting.strip() and "  " not in setting
    return setting if plain else f'"{_escaped(setting)}"'


def whole(setting: Scalar) -> Scalar:
    """The same, with half surrogates replaced: JSON can escape them, and no output can then encode them."""
    if not isinstance(setting, str) or setting.isascii():
        return setting
    return setting.encode("utf-8", "replace").decode("utf-8")


def _escaped(text: str) -> str:
    return "".join(
        character if character.isprintable() else character.encode("unicode_escape").decode("ascii")
        for character in text
    )
