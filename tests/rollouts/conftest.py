from __future__ import annotations

from offices import office_of

ten_workstations, office = office_of("ten_workstations", workstations=10, offices=2)
