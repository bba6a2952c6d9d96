"""XML files, byte for byte."""
# ruff: noqa: E501 - a sample and what becomes of it stand side by side

import pytest

from iea_fleet.errors import SettingsFormatError
from iea_fleet.formats import xml

UTF8 = b'<?xml version="1.0" encoding="UTF-8"?>\n'
LATIN1 = b"<?xml version='1.0' encoding='ISO-8859-1' ?>\r\n"
EXACT = {
    "crlf, comments, instructions": (
        UTF8 + b"<!-- c -->\r\n<r>\r\n\t<a>1</a><!-- d -->\r\n<?p q?></r>\r\n", None, {"a": "2"},
        UTF8 + b"<!-- c -->\r\n<r>\r\n\t<a>2</a><!-- d -->\r\n<?p q?></r>\r\n",
    ),
    "odd blanks in tags": (b"<r ><a  x = '1'\n >1</a ></r\n>", None, {"a": "2", "a/@x": "3"}, b"<r ><a  x = '3'\n >2</a ></r\n>"),
    "quotes of attributes": (b"<r a='1' b=\"2\"/>", None, {"@a": "\"'", "@b": "\"'"}, b"<r a='\"&apos;' b=\"&quot;'\"/>"),
    "bigger-than in an attribute": (b"<r x='/>'><a y='>'/></r>", None, {"a": "1", "@x": "2"}, b"<r x='2'><a y='>'>1</a></r>"),
    "names in values": (b"<r x='y=\"1\"' y='2'/>", None, {"@y": "3"}, b"<r x='y=\"1\"' y='3'/>"),
    "bom": (b"\xef\xbb\xbf<r><a/></r>", None, {"a": "\u20ac"}, b"\xef\xbb\xbf<r><a>\xe2\x82\xac</a></r>"),
    "latin-1": (LATIN1 + b"<r b='\xe9'><a>1</a></r>", None, {"a": "\xe8\u20ac"}, LATIN1 + b"<r b='\xe9'><a>\xe8&#8364;</a></r>"),
    "cp1252": (
        b'<?xml version="1.0" encoding="windows-1252"?><r b="\x80">\xe9<!-- \xe9 --></r>', None, {"@b": "\u20ac\u65e5"},
        b'<?xml version="1.0" encoding="windows-1252"?><r b="\x80&#26085;">\xe9<!-- \xe9 --></r>',
    ),
    "utf-16": (
        '<?xml version="1.0" encoding="UTF-16"?><r é="é"><a>é</a></r>'.encode("utf-16"), "utf-8", {"a": "€"},
        '<?xml version="1.0" encoding="UTF-16"?><r é="é"><a>€</a></r>'.encode("utf-16"),
    ),
    "ascii declared": (b'<?xml version="1.0" encoding="us-ascii"?><r><a/></r>', None, {"a": "\xe9"}, b'<?xml version="1.0" encoding="us-ascii"?><r><a>&#233;</a></r>'),
    "layout and declaration differ": (LATIN1 + b"<r><a/></r>", "utf-8", {"a": "\xe9"}, LATIN1 + b"<r><a>&#233;</a></r>"),
    "layout and declaration agree on these bytes": (LATIN1 + b"<r b='\xe9'><a/></r>", "cp1252", {"a": "\xe9"}, LATIN1 + b"<r b='\xe9'><a>&#233;</a></r>"),
    "entities elsewhere": (b"<r><b>&#233;&lt;&amp;</b><a>&lt;</a></r>", None, {"a": "<&>"}, b"<r><b>&#233;&lt;&amp;</b><a>&lt;&amp;&gt;</a></r>"),
    "blanks in values": (b"<r a=''><a/></r>", None, {"a": " \t\r\n", "@a": " \t\r\n"}, b"<r a=' &#9;&#13;&#10;'><a> &#9;&#13;&#10;</a></r>"),
    "cdata stays": (b"<r><a><![CDATA[x<]]></a></r>", None, {"a": "y&]"}, b"<r><a><![CDATA[y&]]]></a></r>"),
    "cdata that cannot stay": (b"<r><a><![CDATA[x<]]></a></r>", None, {"a": "]]>"}, b"<r><a>]]&gt;</a></r>"),
    "cdata and text": (b"<r><a>1<![CDATA[2]]></a></r>", None, {"a": "3"}, b"<r><a>3</a></r>"),
    "two cdata": (b"<r><a><![CDATA[1]]><![CDATA[2]]></a></r>", None, {"a": "3"}, b"<r><a>3</a></r>"),
    "cdata elsewhere": (b"<r><b><![CDATA[<a>0</a>]]></b><a>1</a></r>", None, {"a": "2"}, b"<r><b><![CDATA[<a>0</a>]]></b><a>2</a></r>"),
    "element in a comment": (b"<r><!-- <a>0</a> --><a>1</a></r>", None, {"a": "2"}, b"<r><!-- <a>0</a> --><a>2</a></r>"),
    "empty tags": (b"<r><a/><b x='1' /></r>", None, {"a": "1", "b": "2"}, b"<r><a>1</a><b x='1'>2</b></r>"),
    "empty element": (b"<r><a></a></r>", None, {"a": "1"}, b"<r><a>1</a></r>"),
    "to nothing": (b"<r><a>1</a></r>", None, {"a": ""}, b"<r><a></a></r>"),
    "namespaces as written": (b"<r xmlns:n='u'><n:a>1</n:a><a>0</a></r>", None, {"n:a": "2", "n:b": "3"}, b"<r xmlns:n='u'><n:a>2</n:a><a>0</a><n:b>3</n:b></r>"),
    "same name deeper": (b"<r><b><a>0</a></b><a><a>1</a></a></r>", None, {"a/a": "2"}, b"<r><b><a>0</a></b><a><a>2</a></a></r>"),
    "same name as the root": (b"<r><r>1</r></r>", None, {"r": "2"}, b"<r><r>2</r></r>"),
    "accents before": ("<é ü='ö'><à>ß</à><a>1</a></é>".encode(), None, {"a": "2", "@ü": "é"}, "<é ü='é'><à>ß</à><a>2</a></é>".encode()),
    "other duplicates stay": (b"<r><d/><d/><a>1</a></r>", None, {"a": "2"}, b"<r><d/><d/><a>2</a></r>"),
    "added like its siblings": (
        b"<r>\r\n\t<a>1</a>\r\n\r\n\t<b/> <!-- c -->\r\n</r>", None, {"d": "2"},
        b"<r>\r\n\t<a>1</a>\r\n\r\n\t<b/> <!-- c -->\r\n\t<d>2</d>\r\n</r>",
    ),
    "added in one line": (b"<r><a>1</a></r>", None, {"b/c": "2"}, b"<r><a>1</a><b><c>2</c></b></r>"),
    "added below": (b"<r>\n    <a>\n    </a>\n</r>", None, {"a/b": "1"}, b"<r>\n    <a>\n        <b>1</b>\n    </a>\n</r>"),
    "added below an empty tag": (b"<r>\n    <a/>\n</r>", None, {"a/b": "1"}, b"<r>\n    <a>\n        <b>1</b>\n    </a>\n</r>"),
    "added attribute": (b"<r><a  /><b x='1' >1</b></r>", None, {"a/@x": "1", "b/@y": '"', "@z": ""}, b"<r z=\"\"><a x=\"1\"  /><b x='1' y=\"&quot;\" >1</b></r>"),
    "added attribute of an added element": (b"<r/>", None, {"a/@x": "1"}, b'<r>\n  <a x="1"/>\n</r>'),
    "new file": (
        UTF8 + b"<utilisateur/>\n", "utf-8", {"netEntreprises/siret": "1", "netEntreprises/nom": "\xe9"},
        UTF8 + b"<utilisateur>\n  <netEntreprises>\n    <siret>1</siret>\n    <nom>\xc3\xa9</nom>\n  </netEntreprises>\n</utilisateur>\n",
    ),
}  # fmt: skip


@pytest.mark.parametrize("case", EXACT)
def test_patch_changes_this_and_nothing_else(case):
    before, encoding, values, after = EXACT[case]
    assert xml.patch(before, values, encoding) == after
    assert xml.read(after, values, encoding) == values


def test_read_gives_what_is_there():
    data = b"<r x='&lt; 1'><a>1&amp;<![CDATA[<]]><!-- c -->2</a><b/><c> 3\r\n</c><d><e y='4'/></d></r>"
    keys = ["@x", "a", "b", "c", "d/e", "d/e/@y", "d/f", "f/g", "b/@x"]
    assert xml.read(data, keys) == {"@x": "< 1", "a": "1&<2", "b": "", "c": " 3\n", "d/e": "", "d/e/@y": "4"}


@pytest.mark.parametrize(
    ("data", "encoding", "values", "code"),
    [
        (b"<!DOCTYPE r><r><a/></r>", None, {"a": "1"}, "dtd"),
        (b"<!DOCTYPE r SYSTEM 'file:///etc/passwd'><r><a/></r>", None, {"a": "1"}, "dtd"),
        (b"<!DOCTYPE r [<!ENTITY x SYSTEM 'file:///etc/passwd'>]><r><a>&x;</a></r>", None, {"a": "1"}, "dtd"),
        (b"<!DOCTYPE r [<!ENTITY x 'y'><!ENTITY z '&x;&x;&x;&x;'>]><r><a>&z;</a></r>", None, {"a": "1"}, "dtd"),
        (b"<r><a>&x;</a></r>", None, {"a": "1"}, "unreadable_format"),
        (b"<r><a>1</a>", None, {"a": "1"}, "unreadable_format"),
        (b"", None, {"a": "1"}, "unreadable_format"),
        (b"<r/><r/>", None, {"a": "1"}, "unreadable_format"),
        (b"<r x='1' x='2'/>", None, {"a": "1"}, "unreadable_format"),
        (b"<r>\xe9</r>", None, {"a": "1"}, "unreadable_format"),
        (LATIN1 + b"<r>\xc3\xa9</r>", "utf-8", {"@a": "1"}, "unreadable_format"),
        (b"<?xml version='1.0' encoding='klingon'?><r/>", None, {"a": "1"}, "unreadable_format"),
        (
            b"<?xml version='1.0' encoding='punycode'?><r>" + b"-x9" * 1_000_000 + b"</r>",
            None,
            {"a": "1"},
            "unreadable_format",
        ),
        (b"<?xml version='1.0' encoding='utf-16'?><r/>", None, {"a": "1"}, "unreadable_format"),
        (b"<r><a>1</a><a>2</a></r>", None, {"a": "1"}, "duplicate_key"),
        (b"<r><a><b>1</b></a><a/></r>", None, {"a/b": "1"}, "duplicate_key"),
        (b"<r><a><b>1</b></a></r>", None, {"a": "1"}, "not_a_value"),
        (b"<r><a>1<!-- c --></a></r>", None, {"a": "2"}, "not_a_value"),
        (b"<r><a>1</a></r>", None, {"a/b": "2"}, "not_a_value"),
        (b"<r/>", None, {"a": "1", "a/b": "2"}, "not_a_value"),
        (b"<r/>", None, {"a/b": "2", "a": "1"}, "not_a_value"),
        (b"<r><a/></r>", None, {"a": "\x01"}, "cannot_hold"),
        (b"<r><a/></r>", None, {"a": "\ufffe"}, "cannot_hold"),
        (b"<r><a/></r>", None, {"a": "\ud800"}, "cannot_hold"),
        (b"<r><a/></r>", None, {"a": 1}, "cannot_hold"),
        (b"<r/>", None, {"n:a": "1"}, "cannot_hold"),
        (LATIN1 + b"<r/>", None, {"\u0153": "1"}, "cannot_hold"),
        (b"<r/>", None, {"": "1"}, "bad_key"),
        (b"<r/>", None, {"a//b": "1"}, "bad_key"),
        (b"<r/>", None, {"@a/b": "1"}, "bad_key"),
        (b"<r/>", None, {"a><b": "1"}, "bad_key"),
        (b"<r/>", None, {"@xmlns:x": "1"}, "bad_key"),
    ],
)
def test_what_cannot_be_is_refused(data, encoding, values, code):
    with pytest.raises(SettingsFormatError) as caught:
        xml.patch(data, values, encoding)
    assert caught.value.code == code


def test_a_mistake_is_told_with_its_place():
    with pytest.raises(SettingsFormatError, match="mismatched tag at line 2, column 6"):
        xml.read(b"<r>\r\n<a></b>\r\n</r>", ["a"])
