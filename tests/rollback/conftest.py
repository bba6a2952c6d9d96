from __future__ import annotations

from offices import office_of

rollback_lab, office = office_of("rollback_lab", workstations=3, offices=1)
