"""A run as a page of its own: what came out, what was set, what could not be answered, and the
digests of all of it. One file, without a script and without anything that is fetched."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache, partial
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined

from ifonly.explainers.wording import Language
from ifonly.explainers.wording.numerals import count, figure, percentage
from ifonly.models.schema import Schema
from ifonly.service.bulk_runs.answering import BAD
from ifonly.service.words.catalogue import is_said, say
from ifonly.service.words.labels import label
from ifonly.service.words.typography import typeset

MOST_FILES = 20
"""Files of the input that are named."""


def report_of(manifest: Mapping[str, Any], schema: Schema, language: Language) -> str:
    """The page, as HTML."""
    names = {feature.name: label(feature, language) for feature in schema.features}
    found = (
        _environment()
        .get_template("report.html")
        .render(
            run=manifest,
            tag=language,
            t=partial(_said, language),
            called=partial(_called, language),
            named=lambda name: names.get(name, name),
            named_or_whole=lambda name: names.get(name, name) or say("bulk.no_field", language),
            bad=sum(manifest["counts"].get(status, 0) for status in BAD),
            explained=sum(manifest["sparsity"].values()),
            most_files=MOST_FILES,
        )
    )
    return typeset(found, language)


def _said(language: Language, key: str, **values: object) -> str:
    return say(key, language, **values)


def _called(language: Language, status: str) -> str:
    """What a row's status is called."""
    for key in (f"bulk.status_{status}", f"status.{status}"):
        if is_said(key, language):
            return say(key, language)
    return status


@cache
def _environment() -> Environment:
    environment = Environment(
        loader=PackageLoader("ifonly.service.bulk_runs"),
        # Names of columns and files are strangers': unescaped, they would run as markup.
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        auto_reload=False,
    )
    environment.filters |= {"counted": count, "figure": figure, "percentage": percentage}
    return environment
