"""A registry key in a transaction: it stands in no folder, and its backup is a file like any other."""

from __future__ import annotations

import datetime as dt
from dataclasses import replace

from targets import NOTHING_KNOWN, target

from iea_fleet.core.planner import Reading
from iea_fleet.engine import leftovers
from iea_fleet.engine.gather import Gathered
from iea_fleet.engine.journal import Stranger, decode, encode
from iea_fleet.engine.lease import Leases
from iea_fleet.engine.settle import _fell_between
from iea_fleet.engine.transaction import Transaction
from iea_fleet.history.key import HistoryKey
from iea_fleet.model.request import (
    ABSENT,
    Absent,
    FileContent,
    FolderListing,
    ListFolder,
    ReadFile,
    ReplaceFile,
    Stat,
    digest,
)

KEY = "HKLM/SOFTWARE/Impact emploi/Connexion"
OLD = b"U2VjdXJpc2U= DWord MA==\n"
SIGNING = HistoryKey(b"k" * 32)
LEASES = Leases("Lab", SIGNING)
TARGET = target(
    files={
        "server_connection": KEY,
        "state_file": "C:/Impact/etat.properties",
        "version_file": "C:/Impact/version.properties",
        "private": "C:/iea-fleet",
    }
)


def transaction() -> Transaction:
    answers = {ReadFile(KEY): FileContent.of(OLD), Stat("C:/iea-fleet"): Absent()}
    before = Gathered(answers, Reading({}, {}, NOTHING_KNOWN, dt.datetime.now(dt.UTC)), dt.datetime.now(dt.UTC))
    write = ReplaceFile(KEY, b"", digest(OLD))
    return Transaction.prepare(None, TARGET, LEASES, "r", (write,), before)  # type: ignore[arg-type] - nothing is sent


def test_its_backup_is_a_file_in_the_private_folder() -> None:
    prepared = transaction()
    assert [(file.path, file.backup) for file in prepared.files] == [(KEY, "C:/iea-fleet/r-1.bak")]
    assert prepared.old == {KEY: OLD}


def test_run_json_may_name_it() -> None:
    journal = decode(transaction().run_file.content, TARGET, "Lab", SIGNING.sign)
    assert not isinstance(journal, Stranger)
    assert journal.files[0].path == KEY
    elsewhere = replace(journal, files=(replace(journal.files[0], path="HKLM/SOFTWARE/Other"),))
    assert isinstance(decode(encode(elsewhere, SIGNING.sign), TARGET, "Lab", SIGNING.sign), Stranger)


def test_nothing_is_looked_for_beside_it() -> None:
    private = ListFolder("C:/iea-fleet")
    assert leftovers.folders(TARGET, (KEY, "C:/Impact/etat.properties")) == (private, ListFolder("C:/Impact"))
    left = leftovers.found(TARGET, {private: FolderListing(("r-1.bak", ".Connexion.iea-fleet-0123456789abcdef"))})
    assert left == ("C:/iea-fleet/.Connexion.iea-fleet-0123456789abcdef",)


def test_one_that_is_gone_was_removed_by_somebody() -> None:
    """A file may have been moved away by Replace; a key is written where it stands."""
    (file,) = transaction().files
    there = replace(TARGET, layout=TARGET.layout.model_copy(update={"os": "windows"}) if TARGET.layout else None)
    assert not _fell_between(file, ABSENT, there)
    assert _fell_between(replace(file, path="C:/Impact/connexion.properties"), ABSENT, there)
