"""Every route of the pages."""

from __future__ import annotations

from service.doors.pages import entrance, static_files
from service.doors.pages.auditor import routes as auditor
from service.doors.pages.operator import alarm, alarms
from service.doors.pages.steward import routes as steward

ROUTERS = (
    static_files.router,
    entrance.router,
    alarms.router,
    alarm.router,
    auditor.router,
    steward.router,
)
