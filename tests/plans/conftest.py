from __future__ import annotations

from offices import office_of

plans_lab, office = office_of("plans_lab", workstations=6, offices=3)
