"""Every route of the pages."""

from __future__ import annotations

from ifonly.service.doors.pages import entrance, static_files
from ifonly.service.doors.pages.auditor import fairness, follow_up, review_routes
from ifonly.service.doors.pages.auditor import routes as auditor
from ifonly.service.doors.pages.experiments import routes as experiments
from ifonly.service.doors.pages.operator import (
    alarm,
    alarms,
    demonstration,
    readings,
    remedies,
    why,
)
from ifonly.service.doors.pages.steward import differences, staged
from ifonly.service.doors.pages.steward import routes as steward

ROUTERS = (
    static_files.router,
    entrance.router,
    alarms.router,
    alarm.router,
    why.router,
    demonstration.router,
    readings.router,
    remedies.router,
    auditor.router,
    review_routes.router,
    follow_up.router,
    experiments.router,
    fairness.router,
    steward.router,
    staged.router,
    differences.router,
)
