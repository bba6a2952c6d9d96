import datetime as dt
from dataclasses import replace

from drawn_fleets import DRIFTED, NOW, OFFICES, PENDING, drawn, offline, same_as_golden
from rich.cells import cell_len

from iea_fleet.model.matrix import Cell, Status
from iea_fleet.model.plan import Change, Edit, Plan, TargetPlan
from iea_fleet.model.request import ABSENT
from iea_fleet.model.target import GuidedConnection, ServerConnection, Target
from iea_fleet.reports.fiche import fiche
from iea_fleet.reports.plan_as_text import plan_text

WANTED = ServerConnection(True, "https://impact-emploi.urssaf.fr", "https://impact-emploi.urssaf.fr/updates")
WELL = (Cell("server_connection", Status.IN_SYNC, observed_at=NOW),)


def planned(name: str, cell: Cell, office: str = "nancy", expected: str = "sha256:00") -> TargetPlan:
    edit = Edit("/srv/iea/connexion.properties", "properties", None, {"securisee": "oui"}, expected)
    return TargetPlan(name, office, (cell,), (Change(cell.address, cell.differences, (edit,)),))


def guided(name: str, office: str = "toul", wanted: ServerConnection | None = WANTED) -> Target:
    return Target(name, office, "standalone", None, GuidedConnection(), None, server_connection=wanted)


def network() -> tuple[Plan, list[Target]]:
    """The same change 147 times, one drifted at two times, and one of each exception."""
    earlier = replace(
        DRIFTED,
        differences=tuple(replace(one, last_right_at=NOW - dt.timedelta(days=9)) for one in DRIFTED.differences),
    )
    held = Cell("server_connection", Status.HELD, "en réparation, until 15 Dec 2026 (l'atelier)", "held")
    later = Cell("net_entreprises.dupont", Status.SKIPPED, "accounts come with a later version", "not_built")
    people = [guided("toul-01"), guided("toul-02"), guided("toul-03"), guided("metz-01", "metz", None)]
    targets = (
        *(planned(f"nancy-{number:03}", PENDING) for number in range(1, 148)),
        planned("nancy-200", PENDING, expected=ABSENT),
        planned("nancy-300", DRIFTED),
        planned("nancy-301", earlier),
        TargetPlan("nancy-400", "nancy", offline("nancy-400").cells[:1]),
        TargetPlan("nancy-401", "nancy", offline("nancy-401").cells[:1]),
        TargetPlan("nancy-402", "nancy", (held,)),
        TargetPlan("nancy-403", "nancy", (*WELL, later)),
        *(TargetPlan(f"metz-{number}", "metz", WELL) for number in range(2, 12)),
        *(
            TargetPlan(one.name, one.office, (Cell("server_connection", Status.WAITING, "a person does it", "guided"),))
            for one in people
        ),
    )
    return Plan("Réseau Grand Est", NOW, targets), people


def test_a_plan_as_a_reviewer_wants_it():
    plan, people = network()
    for width in (80, 120):
        text = drawn(plan_text(plan, OFFICES, people, zone=dt.UTC), width)
        same_as_golden(f"plan-{width}.txt", text)
        assert all(cell_len(line) <= width and line == line.rstrip() for line in text.splitlines())


def test_a_plan_of_nothing():
    plan = Plan("x", NOW, tuple(TargetPlan(f"metz-{number}", "metz", WELL) for number in range(3)))

    assert drawn(plan_text(plan, {})) == (
        "Nothing to do on 3 workstations: metz-[0:2]\n\n3 workstations: 0 to change\n"
    )


def test_true_and_one_are_different_changes():
    first = replace(PENDING, differences=(replace(PENDING.differences[0], before=True),))
    second = replace(PENDING, differences=(replace(PENDING.differences[0], before=1),))

    text = drawn(plan_text(Plan("x", NOW, (planned("a", first), planned("b", second))), {}))

    assert text.count("1 workstation:") == 2


def test_every_target_of_a_plan_is_named():
    plan, people = network()
    text = drawn(plan_text(plan, OFFICES, people), 200)

    for name in ("nancy-[001:147]", "nancy-200", "nancy-300", "nancy-301", "nancy-400, nancy-401", "nancy-402"):
        assert name in text
    for name in ("nancy-403", "metz-[2:11]", "toul-[01:03]", "toul-01, toul-02, toul-03", "metz-01"):
        assert name in text


def test_control_characters_of_a_plan_do_not_reach_the_terminal():
    evil = replace(
        PENDING, differences=(replace(PENDING.differences[0], before="\x1b]0;owned\x07", note="\x1b[2J[red]"),)
    )
    text = drawn(plan_text(Plan("x", NOW, (planned("a\x1b[1m", evil),)), {"nancy": "\x9b"}))

    assert not [character for character in text if character != "\n" and not character.isprintable()]
    assert "[red]" in text


def test_the_fiche():
    same_as_golden("fiche.txt", fiche("nancy-portable", "Maison des associations, Nancy", WANTED))


def test_the_fiche_asks_only_for_what_the_inventory_asks():
    only_box = fiche("w", "o", ServerConnection(secure=True))
    unticked = fiche("w", "o", ServerConnection(secure=False, update_url="http://miroir.example.org:80/updates"))

    assert "cochez la case « Sécurisé »" in only_box
    assert "Serveur" not in only_box.partition("TESTER")[0]
    assert "décochez la case « Sécurisé »" in unticked
    assert "http://miroir.example.org:80/updates" in unticked
    assert "pas de « :80 »" not in unticked
    assert "pas de « :80 »" in fiche("w", "o", WANTED)


def test_the_fiche_fits_a_printed_page():
    lines = fiche("nancy-portable", "Maison des associations, Nancy", WANTED).splitlines()

    assert len(lines) <= 60
    assert max(map(len, lines)) <= 76  # beside the margin that a plan gives it on 80 columns
