"""What a ``run.json`` is taken for, whoever wrote it; and whether the process that wrote it still is at work."""

from __future__ import annotations

import datetime as dt
import json
import os
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from targets import target

from iea_fleet.engine import owner
from iea_fleet.engine.journal import Stranger, decode, encode
from iea_fleet.history.key import HistoryKey
from iea_fleet.model.journal import Journal, JournalFile, Owner

KEY = HistoryKey(b"k" * 32)
TARGET = target()
SETTINGS = "/iea/connexion.properties"
PRIVATE = TARGET.files["private"]
OWNER = Owner("c", "jo", "desk", 77, "boot/1")
FILE = JournalFile(SETTINGS, "sha256:a", "sha256:b", f"{PRIVATE}/r-1.bak")
OURS = Journal("Lab", TARGET.name, "r", OWNER, dt.datetime(2026, 3, 1, tzinfo=dt.UTC), 300.0, (FILE,))


def read(data: bytes, key: HistoryKey = KEY) -> Journal | Stranger:
    return decode(data, TARGET, "Lab", key.sign)


def body(**changed: Any) -> bytes:
    return json.dumps({**json.loads(encode(OURS, KEY.sign)), **changed}).encode()


def test_our_own_is_believed() -> None:
    assert read(encode(OURS, KEY.sign)) == OURS


@pytest.mark.parametrize(
    "wrong",
    [
        replace(FILE, path="/etc/passwd"),
        replace(FILE, path=f"{PRIVATE}/../etc/passwd"),
        replace(FILE, backup="/etc/shadow"),
        replace(FILE, backup=f"{PRIVATE}/sub/r-1.bak"),
    ],
)
def test_signed_paths_outside_the_layout_are_not(wrong: JournalFile) -> None:
    found = read(encode(replace(OURS, files=(wrong,)), KEY.sign))
    assert isinstance(found, Stranger)
    assert found.claims is not None


@pytest.mark.parametrize("other", [{"inventory": "Other"}, {"workstation": "other-01"}])
def test_nor_is_another_workstation_s(other: dict[str, str]) -> None:
    found = read(encode(replace(OURS, **other), KEY.sign))
    assert isinstance(found, Stranger)


def test_nor_what_another_key_signed() -> None:
    found = read(encode(OURS, HistoryKey(b"x" * 32).sign))
    assert isinstance(found, Stranger)
    assert found.claims == OURS
    assert found.reason == "it is not signed by this history"


@pytest.mark.parametrize(
    "planted",
    [
        b"",
        b"\x00\xff\xfe",
        b"[]",
        b"7",
        b"{}",
        b'{"iea_fleet_run": 1}',
        b"[" * 100_000,
        body(begun_at="2026-03-01T00:00:00"),
        body(begun_at=5),
        body(duration=10**400),
        body(duration="long"),
        body(run="\ud800"),
        body(run="\x1b[2J"),
        body(run="r" * 100_000),
        body(owner={**json.loads(encode(OURS, KEY.sign))["owner"], "pid": "1"}),
        body(owner=None),
        body(files={"path": "/etc/passwd"}),
        body(files=[[]]),
    ],
    ids=lambda data: data[:30].decode("latin-1") if len(data) < 60 else None,
)
def test_what_nobody_of_ours_wrote_is_nobody_s(planted: bytes) -> None:
    found = read(planted)
    assert isinstance(found, Stranger)
    assert found.claims is None
    assert "damaged" in found.reason


def test_a_newer_version_is_said() -> None:
    assert read(body(iea_fleet_run=2)) == Stranger("it was written by another version of iea-fleet")


@given(
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
        lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
        max_leaves=5,
    ),
    st.sampled_from(sorted(json.loads(encode(OURS, KEY.sign)))),
)
def test_no_value_anywhere_is_a_surprise(value: Any, name: str) -> None:
    data = body(**{name: value})
    found = read(data)
    assert isinstance(found, Stranger) or json.loads(data) == json.loads(encode(OURS, KEY.sign))


def a_process() -> subprocess.Popen[bytes]:
    return subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE)


def started_by(process: subprocess.Popen[bytes]) -> Owner:
    fields = Path(f"/proc/{process.pid}/stat").read_text(encoding="utf-8").rpartition(")")[2].split()
    boot = Path("/proc/sys/kernel/random/boot_id").read_text(encoding="ascii").strip()
    return replace(owner.ourselves("f"), pid=process.pid, process_start=f"{boot}/{fields[19]}")


def test_a_process_runs_until_it_has_ended_reaped_or_not() -> None:
    with a_process() as process:
        there = started_by(process)
        assert owner.is_this_controller(there, "f")
        assert owner.runs(there)
        assert not owner.runs(replace(there, process_start="another boot/1"))
        process.kill()
        # It is not reaped yet: for the system it still is there, as a zombie.
        until = time.monotonic() + 10
        while owner.runs(there):
            assert time.monotonic() < until
            time.sleep(0.01)
        os.kill(process.pid, 0)
    assert not owner.runs(there)


def test_what_this_process_left_behind_is_dead() -> None:
    assert not owner.runs(owner.ourselves("f"))


def test_another_history_is_another_controller() -> None:
    assert not owner.is_this_controller(owner.ourselves("f"), "g")
