from __future__ import annotations

from offices import office_of_each_kind

plans_lab, kinds, office = office_of_each_kind("plans_lab", workstations=6, offices=3, unasked=False)
