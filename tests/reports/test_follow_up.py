"""Who logs in again after credentials were pushed, where the old ones are, and that no mark of a secret is shown."""

from __future__ import annotations

import io

from rich.console import Console

from iea_fleet.model.matrix import Cell, Difference, Matrix, Row, Status
from iea_fleet.reports import as_json
from iea_fleet.reports.as_table import table
from iea_fleet.reports.follow_up import log_in_again, old_credentials
from iea_fleet.reports.wording import change

PASSWORD = Difference("password", "hmac-sha256:0ld", "hmac-sha256:new", secret=True)


def account(user: str, status: Status, *differences: Difference) -> Cell:
    return Cell(f"net_entreprises.{user}", status, "", "", None, differences)


MATRIX = Matrix(
    (
        Row(
            "nancy-01",
            "nancy",
            (account("dupont", Status.CHANGED, PASSWORD), account("Hélène Noël", Status.CHANGED, PASSWORD)),
        ),
        Row("nancy-02", "nancy", (account("dupont", Status.CHANGED, PASSWORD), account("martin", Status.SKIPPED))),
        Row("toul-01", "toul", (account("Administrateur", Status.OFFLINE), account("vu", Status.IN_SYNC))),
        Row("toul-02", "toul", (account("parti", Status.CHANGED, Difference("siret", "1", None)),)),
    )
)


def shown(matrix: Matrix) -> str:
    out = io.StringIO()
    Console(file=out, width=100, color_system=None).print(table(matrix))
    return out.getvalue()


def test_who_logs_in_again_and_who_has_the_old_credentials() -> None:
    assert [(one.workstation, one.user) for one in log_in_again(MATRIX)] == [
        ("nancy-01", "dupont"),
        ("nancy-01", "Hélène Noël"),
        ("nancy-02", "dupont"),
    ]
    assert [(one.workstation, one.user, one.status) for one in old_credentials(MATRIX)] == [
        ("nancy-02", "martin", "skipped"),
        ("toul-01", "Administrateur", "offline"),
    ]


def test_both_stand_under_the_matrix() -> None:
    text = " ".join(shown(MATRIX).split())
    assert (
        "Log in to IEA again for the new credentials to take effect: dupont on nancy-01, nancy-02; Hélène Noël on"
        in text
    )
    assert "Still with the old credentials: martin on nancy-02; Administrateur on toul-01" in text


def test_nothing_is_said_where_nothing_was_written() -> None:
    text = shown(Matrix((Row("toul-01", "toul", (account("dupont", Status.PENDING, PASSWORD),)),)))
    assert "Log in" not in text
    assert "old credentials" not in text


def test_no_mark_of_a_secret_is_shown_to_people() -> None:
    assert "hmac" not in shown(MATRIX)
    assert change(PASSWORD) == "password: another one → the one of the files"
    assert change(Difference("password", None, "hmac-sha256:new", secret=True)) == (
        "password: absent → the one of the files"
    )
    assert change(Difference("password", "hmac-sha256:0ld", None, secret=True)) == "password: another one → absent"


def test_the_document_says_which_differences_are_secret() -> None:
    (difference,) = as_json.cell_part(account("dupont", Status.CHANGED, PASSWORD)).differences
    assert difference.secret
