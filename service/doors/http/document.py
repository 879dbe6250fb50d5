"""The route of the OpenAPI document."""

from __future__ import annotations

from fastapi import APIRouter, Request
from fastapi.responses import JSONResponse

from ifonly.service.doors.http.request_path import PublicRoute

router = APIRouter(route_class=PublicRoute, include_in_schema=False)


@router.get("/openapi.json")
async def read_document(request: Request) -> JSONResponse:
    return JSONResponse(request.app.openapi())
