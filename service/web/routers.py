"""Every route of the pages."""

from __future__ import annotations

from service.web import entrance, static_files
from service.web.auditor import routes as auditor
from service.web.operator import alarm, alarms
from service.web.steward import routes as steward

ROUTERS = (
    static_files.router,
    entrance.router,
    alarms.router,
    alarm.router,
    auditor.router,
    steward.router,
)
