from __future__ import annotations

from offices import office_of

six_workstations, office = office_of("six_workstations", workstations=6, offices=3)
