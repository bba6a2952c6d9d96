from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from iea_fleet.model.version import IeaVersion, VersionRange

WAYS = ["V72", "V-70", "V70", "v105", "V.3.01.002", "V3.02.003", "3.02.004", "3.00.72", " V103 "]


@pytest.mark.parametrize("text", WAYS)
def test_every_published_way_of_writing_is_read(text: str) -> None:
    assert IeaVersion.parse(text).major == 3


def test_versions_are_ordered_as_numbers() -> None:
    written = ["V-70", "V72", "3.00.105", "V.3.01.002", "V3.02.003", "3.02.004"]
    assert sorted(written, key=IeaVersion.parse) == written
    assert IeaVersion.parse("V-70") == IeaVersion.parse("3.00.70")


@pytest.mark.parametrize("text", ["", "3.x", "four", "3.02.0045", "12345", "3.02.004.1"])
def test_what_is_no_version_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="no version of IEA"):
        IeaVersion.parse(text)


@given(st.integers(0, 99), st.integers(0, 99), st.integers(0, 999))
def test_what_is_written_is_read_back(major: int, minor: int, patch: int) -> None:
    version = IeaVersion(major, minor, patch)
    assert IeaVersion.parse(str(version)) == version


@pytest.mark.parametrize(
    ("text", "inside"),
    [("3.00.71", False), ("3.00.72", True), ("3.02.999", True), ("3.03.000", False)],
)
def test_ranges_may_leave_out_last_parts(text: str, inside: bool) -> None:
    assert (IeaVersion.parse(text) in VersionRange.parse(">=3.00.72,<3.03")) is inside


@pytest.mark.parametrize("text", ["", "3.02", "=>3.02.004", ">=x"])
def test_what_is_no_range_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="no "):
        VersionRange.parse(text)
