"""The controller is killed with SIGKILL at random moments, also while it settles what an earlier death has left."""

from __future__ import annotations

import os
import random
import time
from pathlib import Path

from fleets import fleet
from labs import FOUR_KINDS

KILLS = int(os.environ.get("CHAOS_KILLS", "10"))
SEED = int(os.environ.get("CHAOS_SEED", "20260301"))
WORKSTATIONS = 20


def test_random_kills(tmp_path: Path) -> None:
    chance = random.Random(SEED)
    with fleet(tmp_path, WORKSTATIONS, *FOUR_KINDS) as twenty:
        start = time.monotonic()
        applied = twenty.apply()
        whole = time.monotonic() - start
        twenty.assert_settled(applied)
        while twenty.kills < KILLS:
            twenty.old_again()
            for _ in range(chance.randint(1, 3)):
                with twenty.killed_apply() as process:
                    time.sleep(chance.uniform(0.3, whole))
                    ended = process.poll() is not None
                twenty.assert_whole()
                # As long as a push takes by now: a kill that comes too late is none.
                whole *= 0.8 if ended else 1.05
                if ended:
                    break
            twenty.mend()
            twenty.assert_settled(twenty.apply())
