"""A process that asks for the verdict on an account, and says it. Arguments: state folder, proxy, ca file, password."""

from __future__ import annotations

import sys
from pathlib import Path
from types import SimpleNamespace
from typing import cast

sys.path.insert(0, str(Path(__file__).parent))
sys.path.insert(0, str(Path(__file__).parent.parent))

from guarded_accounts import accounts_of, identity
from portals import Portal

from iea_fleet.history import History

if __name__ == "__main__":
    state, proxy, ca_file, password = sys.argv[1:]
    portal = cast("Portal", SimpleNamespace(proxy=proxy, ca_file=ca_file))
    with History.open(Path(state)) as history:
        verdict = accounts_of(history, portal, {"ONE": password}, {"one": identity("ONE")}).verdict("one")
    sys.stdout.write(f"{verdict.answered} {verdict.fresh}\n")
