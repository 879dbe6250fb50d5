"""Templates into pages."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache, partial
from typing import Any

from fastapi import Request, Response
from jinja2 import Environment, PackageLoader, StrictUndefined

from ifonly.explainers.wording import LANGUAGES, Language
from ifonly.explainers.wording.numerals import count, figure, percentage
from ifonly.models.schema import Labels
from ifonly.service.access import Principal
from ifonly.service.doors.http import permissions
from ifonly.service.doors.pages.static_files import address
from ifonly.service.doors.pages.visit import THEMES, Visit, visit_of
from ifonly.service.settings import ifonly_version
from ifonly.service.store.chain import timestamp
from ifonly.service.words.catalogue import say
from ifonly.service.words.labels import label_or
from ifonly.service.words.reasons import CHECKS, reason, told
from ifonly.service.words.typography import typeset


@dataclass(frozen=True, slots=True)
class NavigationPlace:
    """An entry of the navigation; ``text``: its key."""

    path: str
    text: str


PLACES: tuple[NavigationPlace, ...] = (
    NavigationPlace("/alarms", "alarms.place"),
    NavigationPlace("/reviews", "place.reviews"),
    NavigationPlace("/records", "place.records"),
    NavigationPlace("/report", "place.report"),
    NavigationPlace("/models", "place.models"),
)
"""In the order in which they are shown; each to those who may see it."""


# Once a process: compiling templates would cost each page more than rendering it.
@cache
def _environment() -> Environment:
    environment = Environment(
        loader=PackageLoader("ifonly.service.doors.pages"),
        # Names and comments of strangers are shown: unescaped, they would run as markup.
        autoescape=True,
        # A misspelt name in a template fails a test instead of leaving a gap in a page.
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        auto_reload=False,
    )
    environment.globals |= {
        "static": address,
        "languages": [(tag, say("language.name", tag)) for tag in LANGUAGES],
        "themes": THEMES,
        "version": ifonly_version(),
        "reason": told,
        "checked": partial(reason, section=CHECKS),
    }
    environment.filters |= {
        "when": timestamp,
        "counted": count,
        "figure": figure,
        "percentage": percentage,
        "spoken": _spoken,
    }
    return environment


def places(principal: Principal | None) -> tuple[NavigationPlace, ...]:
    """Where they may go."""
    if principal is None:
        return ()
    # By the same table that guards the pages: no link leads to a refusal.
    return tuple(p for p in PLACES if principal.roles & permissions.PAGES["GET", p.path])


def may(visit: Visit, method: str, path: str) -> bool:
    """Whether whoever looks may use a page: only shows or hides, the request's path refuses."""
    principal = visit.principal
    if principal is None or not principal.roles & permissions.PAGES[method, path]:
        return False
    return principal.scope.is_everything or not permissions.tells_all({method}, path)


def is_part(request: Request) -> bool:
    """Whether htmx asks, which puts the reply into the page that is there."""
    return "hx-request" in request.headers


def page(
    request: Request,
    template: str,
    status: int = 200,
    headers: Mapping[str, str] | None = None,
    **values: Any,
) -> Response:
    """``template`` as this visit sees it. It has ``t`` (texts by key), ``tag`` (the language),
    ``visit``, ``may`` (method and path of a page: :func:`may`), ``places`` and ``values``."""
    return Response(
        rendered(visit_of(request), template, **values),
        status,
        headers,
        "text/html; charset=utf-8",
    )


def rendered(visit: Visit, template: str, **values: Any) -> str:
    return typeset(
        _environment()
        .get_template(template)
        .render(
            visit=visit,
            tag=visit.language,
            t=partial(_said, visit),
            places=places(visit.principal),
            may=partial(may, visit),
            here=visit.path.partition("?")[0],
            # What htmx asks without a form carries the token against forged requests in a header.
            form_headers=json.dumps({"X-CSRF-Token": visit.form_token}),
            **values,
        ),
        visit.language,
    )


def file_of(template: str, language: Language, **values: Any) -> str:
    """``template`` as a file of its own: for a reader in ``language``, of no visit. It has ``t``,
    ``tag`` and ``values``."""
    text = _environment().get_template(template)
    return typeset(text.render(tag=language, t=partial(_text, language), **values), language)


def _said(visit: Visit, key: str, **values: object) -> str:
    return say(key, visit.language, **values)


def _text(language: Language, key: str, **values: object) -> str:
    return say(key, language, **values)


def _spoken(said: Labels, language: str) -> str:
    """What a plant wrote, in the reader's language; else as it was written first."""
    return label_or(said, language, next(iter(said.values()), ""))
