from __future__ import annotations

from offices import office_of

three_workstations, office = office_of("three_workstations", workstations=3, offices=1)
