"""The OpenAPI document: what FastAPI makes of the routes, with problem details throughout."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from fastapi import FastAPI
from pydantic import BaseModel

from ifonly.service.ask.problem_types import PROBLEM_TYPES
from ifonly.service.doors.http import permissions
from ifonly.service.doors.http.problems import MEDIA_TYPE
from ifonly.service.doors.http.written import OCTETS
from ifonly.service.wire import mlflow, open_inference
from ifonly.service.wire.problem import ProblemDetails

REFERENCE = "#/components/schemas/"

DESCRIPTION = """\
Counterfactual explanations of a deployed model's predictions: **predict** (what does the model
say?), **what-if** (set these: what would it say?) and **explain** (which smallest allowed change
would have flipped it?).

An answered question is HTTP 200 whatever its `status`. Everything else is
`application/problem+json` (RFC 9457), with a JSON pointer to what is wrong."""

TAGS = [
    {"name": "models", "description": "What is deployed, and what it reads and decides."},
    {"name": "questions", "description": "Predict, what-if, explain."},
    {"name": "kserve", "description": "The same for KServe's clients (its protocol V1)."},
    {
        "name": "open inference",
        "description": "The same for clients of the Open Inference Protocol.",
    },
    {"name": "mlflow", "description": "The same for clients of MLflow's scoring server."},
    {"name": "events", "description": "What deployed models were asked and said (CloudEvents)."},
    {"name": "jobs", "description": "Many questions at once, answered after the reply."},
    {"name": "reviews", "description": "What people say of an explanation."},
    {"name": "experiments", "description": "Two ways of advising, compared on real alarms."},
    {"name": "audit", "description": "Who asked what, what was answered, and that it still holds."},
    {"name": "health", "description": "For whoever runs the service."},
]


ACCOUNTS = {401, 403, 429, 503}
"""Refusals of every route that is not for everybody; 503: the keys cannot be read."""


def guarded(*statuses: int) -> dict[int | str, dict[str, Any]]:
    """As :func:`refusals`, of a route that is not for everybody."""
    return refusals(*sorted({*statuses, *ACCOUNTS}))


def refusals(*statuses: int) -> dict[int | str, dict[str, Any]]:
    """``responses`` of a route that may refuse with ``statuses``; 422 (a query that it does not
    know) and 500 are always possible."""
    return {
        status: {
            "description": "; ".join(
                f"`{kind.slug}`: {kind.title}" for kind in PROBLEM_TYPES if kind.status == status
            ),
            "content": {MEDIA_TYPE: {"schema": {"$ref": f"{REFERENCE}Problem"}}},
        }
        for status in (*sorted({*statuses, 422}), 500)
    }


def bytes_in(said: str, schema: Mapping[str, Any] | None = None, **more: Any) -> dict[str, Any]:
    """``requestBody`` of what is read as bytes, whatever ``said`` says that it may be called.

    Under one name, which every generator of clients knows: of the others they warn, and leave the
    operation out. ``schema``: what more is known of them."""
    content = {OCTETS: {"schema": BYTES | dict(schema or {}), **more}}
    return {"required": True, "description": said, "content": content}


def bytes_out(*kinds: str) -> dict[str, Any]:
    """``content`` of replies of these kinds, which are bytes to whoever asks for those."""
    # First what generated clients take for bytes: of `text/csv` they would make a text.
    return {"content": {kind: {"schema": BYTES} for kind in (OCTETS, *kinds)}}


BYTES = {"type": "string", "format": "binary"}

READ_BY_ROUTES: dict[str, type[BaseModel]] = {
    "Problem": ProblemDetails,
    "InferRequest": open_inference.InferRequest,
    "IndexRequest": open_inference.IndexRequest,
    "Invocation": mlflow.Invocation,
}
"""What FastAPI does not read or write itself, by the name that routes refer to."""

BEARER = {
    "type": "http",
    "scheme": "bearer",
    "description": "An API key (`ifonly keys create`), or a token of the plant's accounts.",
}


class Service(FastAPI):
    """A FastAPI application whose document knows problem details, and who is let in."""

    def __init__(self, *, with_accounts: bool, **given: Any) -> None:
        super().__init__(**given)
        self._with_accounts = with_accounts

    def openapi(self) -> dict[str, Any]:
        # Made once: it takes long, and routes do not change while the service runs.
        if self.openapi_schema is None:
            document = super().openapi()
            schemas = document.setdefault("components", {}).setdefault("schemas", {})
            for name, kind in READ_BY_ROUTES.items():
                made = kind.model_json_schema(ref_template=f"{REFERENCE}{{model}}")
                # Pydantic nests definitions; OpenAPI has one place for all.
                for part, schema in made.pop("$defs", {}).items():
                    # setdefault: what the routes themselves refer to stays.
                    schemas.setdefault(part, schema)
                schemas[name] = made
            if self._with_accounts:
                _guard(document)
            self.openapi_schema = document
        return self.openapi_schema


def _guard(document: dict[str, Any]) -> None:
    document["components"]["securitySchemes"] = {"bearer": BEARER}
    for path, operations in document["paths"].items():
        for method, operation in operations.items():
            if (method.upper(), path) not in permissions.PUBLIC:
                operation["security"] = [{"bearer": []}]
