from __future__ import annotations

from offices import office_of_each_kind

rollback_lab, kinds, office = office_of_each_kind("rollback_lab", workstations=3, offices=1)
