from __future__ import annotations

from labs import FOUR_KINDS
from offices import office_of_each_kind

three_workstations, kinds, office = office_of_each_kind(
    "three_workstations", workstations=3, offices=1, windows=FOUR_KINDS[:0:-1]
)
