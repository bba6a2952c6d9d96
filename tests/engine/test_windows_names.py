"""The names that a record of a check does not hold."""

from __future__ import annotations

import pytest
from targets import target

from iea_fleet.engine.windows_check.names import Names
from iea_fleet.model.target import WinrmConnection


def names(user: str = "NANCY\\iea-admin", *, name: str = "nancy-01", keep: bool = False) -> Names:
    return Names.of(target(name, address="10.1.0.11", connection=WinrmConnection(user=user)), keep=keep)


@pytest.mark.parametrize(
    ("text", "hidden"),
    [
        ("NANCY-01 (10.1.0.11:5986) is silent", "workstation (address.example:5986) is silent"),
        ("C:/Users/IEA-Admin/x", "C:/Users/account/x"),
        ("NANCY\\iea-admin", "account"),
        ("nancy", "account"),
        ("nancy-012 and 110.1.0.11", "nancy-012 and 110.1.0.11"),
        ("https://impact-emploi.urssaf.fr/updates", "https://server.example/updates"),
        ("S-1-5-21-1-22-333-1001 and S-1-5-32-544", "S-1-5-21-0-0-0-1001 and S-1-5-32-544"),
        ("C:/ProgramData/iea-fleet/run.json", "C:/ProgramData/iea-fleet/run.json"),
    ],
)
def test_each_name_has_a_plain_word_in_its_place(text: str, hidden: str) -> None:
    assert names().hidden({"reason": [text]}) == {"reason": [hidden]}
    assert names(keep=True).hidden(text) == text


@pytest.mark.parametrize("user", ["iea-fleet", "Windows", "iea-fleet@nancy.example.org"])
def test_a_name_that_is_said_everywhere_stays(user: str) -> None:
    for text in ("C:/Windows/System32/findstr.exe", "C:/ProgramData/iea-fleet/run.json"):
        assert names(user).hidden(text) == text


def test_both_parts_of_a_users_principal_name_are_hidden() -> None:
    assert names("dupont@nancy.example.org").hidden("dupont, nancy.example.org") == "account, account"
