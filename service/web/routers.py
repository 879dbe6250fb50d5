"""Every route of the pages."""

from __future__ import annotations

from service.web import entrance, static_files

ROUTERS = (static_files.router, entrance.router)
