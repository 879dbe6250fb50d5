"""Who may do what: one table. A route that is not in it cannot be served at all."""

from __future__ import annotations

import re
from collections.abc import Iterable

from starlette.routing import compile_path

from ifonly.service.access import Role

_ASKS = frozenset({Role.OPERATOR, Role.PIPELINE, Role.ADMIN})
_REVIEWS = frozenset({Role.OPERATOR, Role.AUDITOR, Role.ADMIN})
# Operators, and the plant's own system, which knows what came of it.
_TELLS = frozenset({Role.OPERATOR, Role.PIPELINE, Role.ADMIN})
_ACTS = frozenset({Role.OPERATOR, Role.ADMIN})
_AUDITS = frozenset({Role.AUDITOR, Role.ADMIN})
_KEEPS = frozenset({Role.ADMIN})
_SENDS = frozenset({Role.SENDER, Role.PIPELINE, Role.ADMIN})
_EVERYBODY = frozenset(Role) - {Role.SENDER}

PUBLIC = frozenset(
    {
        ("GET", "/"),  # to programs: a browser's page of that path is in `PAGES`
        ("GET", "/healthz/live"),
        ("GET", "/healthz/ready"),
        ("GET", "/openapi.json"),
        ("GET", "/ping"),
        ("GET", "/health"),
        ("GET", "/version"),
        ("GET", "/v2"),
        ("GET", "/v2/health/live"),
        ("GET", "/v2/health/ready"),
        ("POST", "/api/v1/witness/add-checkpoint"),  # whom it answers, their signature says
    }
)
"""What is told to whoever asks: nothing of any plant."""

ALLOWED = {
    ("GET", "/metrics"): _EVERYBODY,
    ("GET", "/api/v1/models"): _EVERYBODY,
    ("POST", "/api/v1/models"): _KEEPS,
    ("GET", "/api/v1/models/{model}"): _EVERYBODY,
    ("POST", "/api/v1/models/{model}/activations"): _KEEPS,
    ("POST", "/api/v1/models/{model}/comparisons"): _KEEPS,
    ("GET", "/api/v1/staged"): _KEEPS,
    ("POST", "/api/v1/staged"): _KEEPS,
    ("GET", "/api/v1/staged/{model}/{version}"): _KEEPS,
    ("PATCH", "/api/v1/staged/{model}/{version}"): _KEEPS,
    ("DELETE", "/api/v1/staged/{model}/{version}"): _KEEPS,
    ("POST", "/api/v1/staged/{model}/{version}/explanations"): _KEEPS,
    ("GET", "/api/v1/models/{model}/spec"): _EVERYBODY,
    ("GET", "/api/v1/models/{model}/quality"): _EVERYBODY,
    ("GET", "/api/v1/models/{model}/differences"): _EVERYBODY,
    ("GET", "/api/v1/models/{model}/alarm-rate"): _EVERYBODY,
    ("POST", "/api/v1/models/{model}/predictions"): _ASKS,
    ("POST", "/api/v1/models/{model}/what-if"): _ASKS,
    ("POST", "/api/v1/models/{model}/explanations"): _ASKS,
    ("POST", "/api/v1/models/{model}/explanations/bulk"): _ASKS,
    ("POST", "/api/v1/models/{model}/explanations/stream"): _ASKS,
    ("POST", "/api/v1/models/{model}/common-remedies"): _ASKS,
    ("POST", "/api/v1/models/{model}/reasons"): _ASKS,
    ("POST", "/"): _SENDS,
    ("POST", "/api/v1/events"): _SENDS,
    ("GET", "/api/v1/events/dead-letters"): _KEEPS,
    ("POST", "/api/v1/events/dead-letters/{id}/retry"): _KEEPS,
    ("DELETE", "/api/v1/events/dead-letters/{id}"): _KEEPS,
    ("POST", "/invocations"): _ASKS,
    ("POST", "/invocations/explanations"): _ASKS,
    ("GET", "/v1/models"): _EVERYBODY,
    ("GET", "/v1/models/{model}"): _EVERYBODY,
    ("POST", "/v1/models/{model}:predict"): _ASKS,
    ("POST", "/v1/models/{model}:explain"): _ASKS,
    ("GET", "/v2/models/{model}"): _EVERYBODY,
    ("GET", "/v2/models/{model}/config"): _EVERYBODY,
    ("GET", "/v2/models/{model}/ready"): _EVERYBODY,
    ("GET", "/v2/models/{model}/versions/{version}"): _EVERYBODY,
    ("GET", "/v2/models/{model}/versions/{version}/config"): _EVERYBODY,
    ("GET", "/v2/models/{model}/versions/{version}/ready"): _EVERYBODY,
    ("POST", "/v2/repository/index"): _EVERYBODY,
    ("POST", "/v2/models/{model}/infer"): _ASKS,
    ("POST", "/v2/models/{model}/versions/{version}/infer"): _ASKS,
    ("GET", "/api/v1/jobs"): _EVERYBODY,
    ("GET", "/api/v1/jobs/{id}"): _EVERYBODY,
    ("DELETE", "/api/v1/jobs/{id}"): _ASKS,
    ("GET", "/api/v1/jobs/{id}/events"): _EVERYBODY,
    ("GET", "/api/v1/jobs/{id}/result"): _EVERYBODY,
    ("GET", "/api/v1/alarms"): _EVERYBODY,
    ("GET", "/api/v1/alarms/{id}"): _EVERYBODY,
    ("POST", "/api/v1/alarms/{id}/actions"): _ACTS,
    ("POST", "/api/v1/alarms/actions"): _ACTS,
    ("GET", "/api/v1/explanations/{id}"): _EVERYBODY,
    ("GET", "/api/v1/explanations/{id}/reviews"): _REVIEWS,
    ("POST", "/api/v1/explanations/{id}/reviews"): _REVIEWS,
    ("POST", "/api/v1/explanations/{id}/outcomes"): _TELLS,
    ("GET", "/api/v1/explanations/{id}/follow-up"): _REVIEWS,
    ("POST", "/api/v1/outcomes"): _TELLS,
    ("GET", "/api/v1/experiments"): _REVIEWS,
    ("POST", "/api/v1/experiments"): _KEEPS,
    ("GET", "/api/v1/experiments/{id}"): _AUDITS,
    ("POST", "/api/v1/experiments/{id}/stop"): _KEEPS,
    ("GET", "/api/v1/audit/events"): _AUDITS,
    ("GET", "/api/v1/audit/events/{id}"): _AUDITS,
    ("GET", "/api/v1/audit/events/{id}/verify"): _AUDITS,
    ("POST", "/api/v1/audit/events/{id}/replay"): _AUDITS,
    ("GET", "/api/v1/audit/queue"): _AUDITS,
    ("GET", "/api/v1/audit/groups"): _AUDITS,
    ("GET", "/api/v1/audit/samples"): _AUDITS,
    ("POST", "/api/v1/audit/samples"): _AUDITS,
    ("GET", "/api/v1/audit/samples/{id}"): _AUDITS,
    ("GET", "/api/v1/audit/samples/{id}/redraw"): _AUDITS,
    ("GET", "/api/v1/audit/report"): _AUDITS,
    ("GET", "/api/v1/audit/follow-up"): _AUDITS,
    ("GET", "/api/v1/audit/fairness"): _AUDITS,
    ("GET", "/api/v1/audit/verify"): _AUDITS,
    ("GET", "/api/v1/audit/export"): _AUDITS,
    ("GET", "/api/v1/audit/events/{id}/bundle"): _AUDITS,
    ("GET", "/api/v1/audit/log/checkpoint"): _EVERYBODY,
    ("GET", "/api/v1/audit/log/consistency"): _EVERYBODY,
}

PUBLIC_PAGES = frozenset(
    {
        ("GET", "/sign-in"),
        ("POST", "/sign-in"),
        ("GET", "/sign-in/account"),
        ("GET", "/sign-in/account/reply"),
        ("POST", "/preferences"),
        ("GET", "/static/{name}"),
    }
)
"""What a browser is shown before anybody has signed in."""

PAGES = {
    ("GET", "/"): _EVERYBODY,
    ("POST", "/sign-out"): _EVERYBODY,
    ("GET", "/records"): _AUDITS,
    ("GET", "/records/export"): _AUDITS,
    ("POST", "/records/verify"): _AUDITS,
    ("GET", "/records/{id}"): _AUDITS,
    ("POST", "/records/{id}/verify"): _AUDITS,
    ("POST", "/records/{id}/replay"): _AUDITS,
    ("POST", "/records/{id}/reviews"): _AUDITS,
    ("GET", "/records/table"): _AUDITS,
    ("GET", "/reviews"): _AUDITS,
    ("GET", "/reviews/samples"): _AUDITS,
    ("POST", "/reviews/samples"): _AUDITS,
    ("GET", "/reviews/samples/{id}"): _AUDITS,
    ("POST", "/reviews/samples/{id}/redraw"): _AUDITS,
    ("GET", "/report"): _AUDITS,
    ("GET", "/report/table"): _AUDITS,
    ("GET", "/report/follow-up"): _AUDITS,
    ("GET", "/report/fairness"): _AUDITS,
    ("POST", "/report/common"): _AUDITS,
    ("GET", "/experiments"): _REVIEWS,
    ("POST", "/experiments"): _KEEPS,
    ("GET", "/experiments/new"): _KEEPS,
    ("GET", "/experiments/{id}"): _REVIEWS,
    ("GET", "/experiments/{id}/results"): _AUDITS,
    ("POST", "/experiments/{id}/stop"): _KEEPS,
    ("GET", "/models"): _EVERYBODY,
    ("POST", "/models"): _KEEPS,
    ("GET", "/models/{model}"): _EVERYBODY,
    ("GET", "/models/{model}/differences"): _EVERYBODY,
    ("GET", "/models/{model}/staged/{version}"): _KEEPS,
    ("POST", "/models/{model}/staged/{version}"): _KEEPS,
    ("POST", "/models/{model}/staged/{version}/discard"): _KEEPS,
    ("GET", "/models/{model}/staged/{version}/explanation"): _KEEPS,
    ("GET", "/models/{model}/comparison"): _KEEPS,
    ("POST", "/models/{model}/activation"): _KEEPS,
    ("POST", "/demonstration"): _KEEPS,
    ("GET", "/readings"): _ASKS,
    ("POST", "/readings"): _ASKS,
    ("GET", "/alarms"): _ASKS,
    ("GET", "/alarms/events"): _ASKS,
    ("GET", "/alarms/{id}"): _ASKS,
    ("POST", "/alarms/{id}/explanation"): _ASKS,
    ("POST", "/alarms/{id}/reasons"): _ASKS,
    ("GET", "/sheets/{id}"): _EVERYBODY,
    ("GET", "/sheets/{id}/file"): _EVERYBODY,
    ("POST", "/alarms/{id}/what-if"): _ASKS,
    ("POST", "/alarms/{id}/what-if/record"): _ASKS,
    ("POST", "/alarms/{id}/curves"): _ASKS,
    ("GET", "/alarms/{id}/plane"): _ASKS,
    ("GET", "/alarms/{id}/readings"): _ASKS,
    ("POST", "/alarms/{id}/reviews"): _ACTS,
    ("POST", "/alarms/{id}/actions"): _ACTS,
    ("POST", "/alarms/actions"): _ACTS,
    ("GET", "/remedies"): _ASKS,
    ("POST", "/remedies"): _ASKS,
    ("POST", "/remedies/flood"): _ASKS,
}
"""As ``ALLOWED``, of the pages: they know people by a session, not by a token."""


WHOLE = frozenset(
    {
        ("GET", "/metrics"),
        ("GET", "/api/v1/audit/verify"),
        ("GET", "/api/v1/events/dead-letters"),
        ("POST", "/api/v1/events/dead-letters/{id}/retry"),
        ("DELETE", "/api/v1/events/dead-letters/{id}"),
        ("POST", "/records/verify"),
        ("GET", "/api/v1/audit/samples"),
        ("POST", "/api/v1/audit/samples"),
        ("GET", "/api/v1/audit/samples/{id}"),
        ("GET", "/api/v1/audit/samples/{id}/redraw"),
        ("GET", "/api/v1/experiments"),
        ("POST", "/api/v1/experiments"),
        ("GET", "/api/v1/experiments/{id}"),
        ("POST", "/api/v1/experiments/{id}/stop"),
        ("GET", "/reviews/samples"),
        ("POST", "/reviews/samples"),
        ("GET", "/reviews/samples/{id}"),
        ("POST", "/reviews/samples/{id}/redraw"),
        ("GET", "/experiments"),
        ("POST", "/experiments"),
        ("GET", "/experiments/new"),
        ("GET", "/experiments/{id}"),
        ("GET", "/experiments/{id}/results"),
        ("POST", "/experiments/{id}/stop"),
    }
)
"""What tells of everything that is there, and is for nobody who may see a part of it only."""


def tells_all(methods: Iterable[str], path: str) -> bool:
    return any((method, path) in WHOLE for method in methods)


def allowed(methods: Iterable[str], path: str) -> frozenset[Role]:
    """Who may use a route.

    Raises
    ------
    KeyError
        If nobody has said.
    """
    # Fails unless all methods of the route are for the same roles.
    (roles,) = {ALLOWED[method, path] for method in methods}
    return roles


def may_see(method: str, path: str) -> frozenset[Role] | None:
    """Who may use a page; None: everybody, signed in or not.

    Raises
    ------
    KeyError
        If nobody has said.
    """
    # A KeyError for what is not listed: a page that nobody has allowed cannot be built.
    return None if (method, path) in PUBLIC_PAGES else PAGES[method, path]


def methods_of(path: str) -> str:
    """The methods of a resource that is there, as the header ``Allow`` has them."""
    every = (*ALLOWED, *PUBLIC, *PAGES, *PUBLIC_PAGES)
    found = [(m, t) for m, t in every if compile_path(t)[0].match(path)]
    closest = max((_spelled(t) for _, t in found), default=0)  # `{model}:explain`, not `{model}`
    return ", ".join(sorted({m for m, t in found if _spelled(t) == closest}))


def _spelled(template: str) -> int:
    """Characters of a template that are no parameter."""
    return len(re.sub(r"\{.*?\}", "", template))
