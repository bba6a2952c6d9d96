from __future__ import annotations

from offices import office_of_each_kind

ten_workstations, kinds, office = office_of_each_kind("ten_workstations", workstations=10, offices=2, unasked=False)
