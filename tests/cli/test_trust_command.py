"""Host keys: nothing is accepted by itself, a changed key is an alarm, fingerprints read as ssh-keygen prints them."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

import pytest
from command_line import CommandLine
from lab_files import inventory, playbook, port, put_right, settings
from labs import RunningLab

ONE = "nancy-01"


def without_keys(office: RunningLab, *changes: tuple[str, str]) -> Path:
    """The inventory with no host key in it."""
    path = inventory(office, "keyless", *changes)
    text = re.sub(r"\n +host_keys: .*", "", path.read_text(encoding="utf-8"))
    path.write_text(text, encoding="utf-8")
    return path


def key(office: RunningLab, workstation: str) -> str:
    """The host key that the lab pinned: type and base64."""
    (found,) = office.declared(workstation)["host_keys"]
    return " ".join(found.split()[:2])


def as_ssh_keygen_prints(key: str, folder: Path) -> str:
    """``256 SHA256:… (ED25519)``, from ssh-keygen itself."""
    file = folder / "host.pub"
    file.write_text(f"{key} no comment\n")
    said = subprocess.run(["ssh-keygen", "-lf", file], check=True, capture_output=True, text=True).stdout.split()
    return f"{said[0]} {said[1]} {said[-1]}"


def test_a_workstation_without_a_known_key_is_not_entered(cli: CommandLine, office: RunningLab) -> None:
    before = settings(office)
    whatever = playbook(office, "whatever-fails", max_failed="100%")
    ran = cli.run("apply", without_keys(office), whatever, "--yes", "--format", "json")
    assert ran.exit_code == 1
    for name, row in ran.workstations.items():
        assert (row["status"], row["reason_code"]) == ("failed", "host_key_unknown")
        assert f"iea-fleet trust add INVENTORY {name}" in row["reason"]
    assert settings(office) == before


def test_scan_shows_what_ssh_keygen_shows_and_accepts_nothing(cli: CommandLine, office: RunningLab) -> None:
    path = without_keys(office)
    scan = cli.run("trust", "scan", path)
    assert scan.exit_code == 0
    assert scan.out.splitlines() == [
        f"{as_ssh_keygen_prints(key(office, name), cli.home)} {name}: unknown" for name in office.names
    ]
    assert cli.run("trust", "list", path).out == ""


def test_add_by_fingerprint_then_apply_list_and_remove(cli: CommandLine, office: RunningLab) -> None:
    path = without_keys(office)
    fingerprint = as_ssh_keygen_prints(key(office, ONE), cli.home).split()[1]
    other = as_ssh_keygen_prints(key(office, "nancy-02"), cli.home).split()[1]

    refused = cli.run("trust", "add", path, ONE, "--fingerprint", other)
    assert refused.exit_code == 1
    assert f"{ONE} presents no key of this fingerprint, but 256 {fingerprint}" in refused.err

    before = office.file(ONE).read_bytes()
    added = cli.run("trust", "add", path, ONE, "--fingerprint", fingerprint)
    assert added.exit_code == 0, added
    assert fingerprint in added.out
    assert cli.run("apply", path, "--yes", "--limit", ONE).exit_code == 0
    assert office.file(ONE).read_bytes() == put_right(office, before)

    (listed,) = cli.run("trust", "list", path).out.splitlines()
    assert fingerprint in listed
    assert listed.endswith("in the store")
    assert cli.run("trust", "remove", path, ONE).out == f"{ONE}: 1 key forgotten\n"
    assert cli.run("trust", "remove", path, ONE).exit_code == 1
    assert cli.run("trust", "list", path).out == ""


def test_add_by_a_list_for_scripts(cli: CommandLine, office: RunningLab) -> None:
    path, listed = without_keys(office), cli.home / "fingerprints"
    lines = [f"{name} {as_ssh_keygen_prints(key(office, name), cli.home).split()[1]}\n" for name in office.names]
    listed.write_text("# from the workstations themselves\n" + "".join(lines))
    added = cli.run("trust", "add", path, "--fingerprints", listed)
    assert (added.exit_code, len(added.out.splitlines())) == (0, 6)
    listed.write_text("poste-inconnu SHA256:abc\n")
    refused = cli.run("trust", "add", path, "--fingerprints", listed)
    assert refused.exit_code == 2
    assert "poste-inconnu" in refused.err


def test_what_was_accepted_before_a_fault_is_told(cli: CommandLine, office: RunningLab) -> None:
    path, listed = without_keys(office), cli.home / "fingerprints"
    prints = {name: as_ssh_keygen_prints(key(office, name), cli.home).split()[1] for name in ("nancy-01", "toul-01")}
    listed.write_text("".join(f"{name} {fingerprint}\n" for name, fingerprint in prints.items()))
    office.break_("toul-01", "offline")
    ran = cli.run("trust", "add", path, "--fingerprints", listed)
    assert ran.exit_code == 4
    assert ran.out == f"accepted for nancy-01: 256 {prints['nancy-01']} (ED25519)\n"
    assert "toul-01: 127.0.0.1:" in ran.err


def test_add_from_a_known_hosts_file(cli: CommandLine, office: RunningLab) -> None:
    path, known = without_keys(office), cli.home / "known_hosts"
    known.write_text("".join(f"[127.0.0.1]:{port(office, name)} {key(office, name)}\n" for name in office.names[:2]))
    added = cli.run("trust", "add", path, "--known-hosts", known)
    assert added.exit_code == 1
    assert len(added.out.splitlines()) == 2
    assert [line.partition(":")[0] for line in added.err.splitlines()] == office.names[2:]
    drift = cli.run("drift", path, "--format", "json")
    assert [row["status"] for row in drift.workstations.values()] == ["pending"] * 2 + ["failed"] * 4


@pytest.mark.parametrize(("answer", "accepted"), [("yes\n", True), ("y\n", False)])
def test_add_asks_on_a_terminal(cli: CommandLine, office: RunningLab, answer: str, accepted: bool) -> None:
    path = without_keys(office)
    with cli.at_terminal("trust", "add", path, ONE) as terminal:
        terminal.wait_for("Only yes is taken as yes: ")
        assert as_ssh_keygen_prints(key(office, ONE), cli.home).split()[1] in terminal.screen
        terminal.type(answer)
        assert terminal.end() == (0 if accepted else 1)
    assert bool(cli.run("trust", "list", path).out) is accepted


def test_add_without_a_terminal_asks_nobody(cli: CommandLine, office: RunningLab) -> None:
    path = without_keys(office)
    ran = cli.run("trust", "add", path, ONE, stdin="yes\n")
    assert ran.exit_code == 2
    assert "there is no terminal to type yes on; use --fingerprint, --fingerprints or --known-hosts" in ran.err
    assert cli.run("trust", "list", path).out == ""


def test_a_new_key_is_an_alarm_and_is_never_taken_over(cli: CommandLine, office: RunningLab) -> None:
    path = without_keys(office)
    fingerprint = as_ssh_keygen_prints(key(office, ONE), cli.home).split()[1]
    assert cli.run("trust", "add", path, ONE, "--fingerprint", fingerprint).exit_code == 0
    office.break_(ONE, "new-host-key")
    cell = cli.run("drift", path, "--limit", ONE, "--format", "json").cell(ONE)
    assert (cell["status"], cell["reason_code"]) == ("failed", "host_key_changed")
    (scanned,) = cli.run("trust", "scan", path, "--limit", ONE).out.splitlines()
    assert "ALARM: another key of this type was accepted" in scanned
    new = scanned.split()[1]
    added = cli.run("trust", "add", path, ONE, "--fingerprint", new)
    assert added.exit_code == 1
    assert f"{ONE} has another host key in" in added.err
    assert f"iea-fleet trust remove INVENTORY {ONE}" in added.err
    (listed,) = cli.run("trust", "list", path).out.splitlines()
    assert fingerprint in listed


def test_moved_addresses_name_whose_key_it_is(cli: CommandLine, office: RunningLab) -> None:
    one, two = port(office, "nancy-01"), port(office, "toul-01")
    swapped = inventory(
        office,
        "swapped",
        (f"port: {one}}}", "port: 0}"),
        (f"port: {two}}}", f"port: {one}}}"),
        ("port: 0}", f"port: {two}}}"),
    )
    drift = cli.run("drift", swapped, "--format", "json")
    for name, owner in (("nancy-01", "toul-01"), ("toul-01", "nancy-01")):
        cell = drift.cell(name)
        assert (cell["status"], cell["reason_code"]) == ("failed", "host_key_changed")
        assert owner in cell["reason"].replace(name, "")
    assert drift.statuses["nancy-02"] == "pending"
    assert "nancy-01: ALARM: this is the key of toul-01" in cli.run("trust", "scan", swapped).out
