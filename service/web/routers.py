"""Every route of the pages."""

from __future__ import annotations

from service.web import entrance, static_files
from service.web.operator import alarm, alarms

ROUTERS = (static_files.router, entrance.router, alarms.router, alarm.router)
