"""Templates: what they may hold, and what their values may be."""

import contextlib
import time

import jinja2
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from iea_fleet.core.templates import LONGEST, TemplateError, not_a_file_name, read


def test_text_and_dotted_names() -> None:
    template = read("10.{{ vars.site }}.0.{{index}}")
    assert template.names == {"vars.site", "index"}
    assert template.fill({"vars.site": "54", "index": "3"}) == "10.54.0.3"
    assert read("plain").fill({}) == "plain"
    assert read("a }} b").fill({}) == "a }} b"
    assert read("{ not one }").fill({}) == "{ not one }"


def test_an_unknown_variable_names_the_nearest() -> None:
    with pytest.raises(TemplateError, match=r"unknown variable `vars\.sight`; did you mean `vars\.site`\?") as raised:
        read("{{ vars.sight }}").fill({"vars.site": "54", "name": "x"})
    assert raised.value.variable == "vars.sight"


@pytest.mark.parametrize(
    ("text", "wrong"),
    [
        ("{{ name | upper }}", "holds a filter"),
        ("{{ name() }}", "holds a call"),
        ("{{ name.upper() }}", "holds a call"),
        ("{{ name is defined }}", "holds a test"),
        ("{{ name[0] }}", "holds an index"),
        ("{{ name['x'] }}", "holds an index"),
        ("{{ 'a' }}", "holds a constant"),
        ("{{ 1 }}", "holds a constant"),
        ("{{ true }}", "holds a constant"),
        ("{{ 'a' * 10 ** 8 }}", "holds an expression"),
        ("{{ a + b }}", "holds an expression"),
        ("{{ a if b }}", "holds an expression"),
        ("{{ a, b }}", "holds an expression"),
        ("{{ [a] }}", "holds an expression"),
        ("{{ not a }}", "holds an expression"),
        ("{% raw %}{{ a }}{% endraw %}", "holds `{%`"),
        ("a{# secret #}", "holds `{#`"),
        ("{{- a }}", "holds `{{-`"),
        ("{{ a -}}", "holds `-}}`"),
        ("{{ }}", "is no template"),
        ("{{ a", "is no template"),
        ("{{ a. }}", "is no template"),
        ("{{ " + "(" * 900 + "a }}", "is no template"),
        ("{{ a }}" + "x" * LONGEST, "is a template of more than 1,000 characters"),
    ],
)
def test_anything_else_is_refused(text: str, wrong: str) -> None:
    started = time.process_time()
    with pytest.raises(TemplateError) as raised:
        read(text)
    assert raised.value.wrong == wrong
    assert time.process_time() - started < 1


names = st.from_regex(r"[a-z_][a-z0-9_]{0,5}(\.[a-z_][a-z0-9_]{0,5}){0,2}", fullmatch=True)
reserved = {"true", "false", "none", "not", "and", "or", "if", "else", "in", "is"}


@settings(max_examples=300)
@given(st.lists(st.text("ab/.-: é", max_size=4) | names.map(lambda name: f"{{{{ {name} }}}}"), max_size=5), st.data())
def test_what_is_allowed_renders_as_jinja_does(parts: list[str], data: st.DataObject) -> None:
    text = "".join(parts)
    try:
        template = read(text)
    except TemplateError:
        assert reserved & {word for part in parts for word in part.strip("{} ").split(".")}
        return
    values = {name: data.draw(st.text("xyz{}%", max_size=3)) for name in sorted(template.names)}
    tree: dict[str, object] = {}
    for name, value in values.items():
        here = tree
        *above, last = name.split(".")
        for step in above:
            inner = here.setdefault(step, {})
            if not isinstance(inner, dict):
                return  # a name that is a text and a map at once
            here = inner
        if last in here:
            return
        here[last] = value
    expected = jinja2.Environment(autoescape=False, undefined=jinja2.StrictUndefined).from_string(text).render(tree)
    assert template.fill(values) == expected


@settings(max_examples=500)
@given(st.text("{}%#|()[]ab.'\"*+- 1,", max_size=40))
def test_every_text_is_read_or_refused_in_words(text: str) -> None:
    with contextlib.suppress(TemplateError):
        template = read(text)
        assert isinstance(template.fill(dict.fromkeys(template.names, "x")), str)


@pytest.mark.parametrize(
    "value", ["dupont", "Administrateur", "M. Dupont", "éàü", "console", "com", "com10", "a-b_c", "a.b"]
)
def test_values_that_fit_in_a_path(value: str) -> None:
    assert not_a_file_name(value) == ""


@pytest.mark.parametrize(
    ("value", "reason"),
    [
        ("a/b", "holds /"),
        ("a\\b", "holds \\"),
        ("C:", "holds :"),
        ("a*", "holds *"),
        ("a\0b", "holds a control character"),
        ("..", "holds .."),
        ("a..b", "holds .."),
        ("a.", "begins with a blank or ends in a dot or blank"),
        ("a ", "begins with a blank or ends in a dot or blank"),
        (" a", "begins with a blank or ends in a dot or blank"),
        ("", "is blank"),
        (" ", "is blank"),
        ("con", "is a name that Windows keeps for a device"),
        ("NUL.txt", "is a name that Windows keeps for a device"),
        ("Com1", "is a name that Windows keeps for a device"),
        ("lpt¹", "is a name that Windows keeps for a device"),
        ("aux.tar.gz", "is a name that Windows keeps for a device"),
        ("nul .txt", "is a name that Windows keeps for a device"),
    ],
)
def test_values_that_do_not(value: str, reason: str) -> None:
    assert not_a_file_name(value) == reason
