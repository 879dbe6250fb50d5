"""Cases by what they have in common: a category, a part of the readings, an attribute."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
import numpy.typing as npt

from ifonly.explainers.wording import LANGUAGES
from ifonly.explainers.wording.numerals import exactly
from ifonly.models.schema import Feature, Labels, plain
from ifonly.service.audit.recourse_by_group.cases import RecourseCase
from ifonly.service.errors import Fault, InvalidRequest, RequestPart
from ifonly.service.words.catalogue import in_each, say_all
from ifonly.service.words.labels import label

MAX_GROUPS = 30
"""More are put together as the last: a table of a thousand names compares nothing."""

HALVES, QUARTERS = 2, 4
"""Into how many groups readings of a number are cut."""
MISSING = say_all("recourse.missing")
OTHERS = say_all("recourse.others")


@dataclass(frozen=True)
class CaseGroup:
    """Cases that have something in common."""

    key: str
    label: Labels
    cases: tuple[RecourseCase, ...]


def by(
    cases: Sequence[RecourseCase], features: Mapping[str, Feature], how: str | None
) -> tuple[CaseGroup, ...]:
    """``how``: ``feature:NAME`` or ``attribute:NAME``; None: no groups.

    Raises
    ------
    InvalidRequest
        If ``features``, by name, have none of that name.
    """
    if how is None:
        return ()
    # An erased case has no readings and attributes left, so it belongs to no group.
    known = [case for case in cases if not case.erased]
    kind, _, name = how.partition(":")
    if kind == "attribute":
        return by_attribute(known, name)
    if name not in features:
        problem = f"{name!r} is no feature of the model as it is served"
        fault = Fault(("by",), problem, how, limit=list(features), parameter="by")
        raise InvalidRequest(RequestPart.REQUEST, [fault])
    return few(by_feature(known, features[name]))


def by_feature(
    cases: Sequence[RecourseCase], feature: Feature, parts: int = QUARTERS
) -> tuple[CaseGroup, ...]:
    """By category in the schema's order; numbers by equal ``parts`` of their readings. Without a
    value: the last, of key ``""``."""

    def value(case: RecourseCase) -> Any:
        return case.instance.get(feature.name)

    if feature.kind.is_categorical:
        labels = {c.name: in_each(partial(label, c)) for c in feature.categories}
        return _gathered(cases, value, labels)
    return _parted(cases, value, feature.unit, parts)


def by_attribute(cases: Sequence[RecourseCase], name: str) -> tuple[CaseGroup, ...]:
    """By what the requests said of it, the largest group first."""
    return few(_gathered(cases, lambda case: case.attributes.get(name), {}))


def few(groups: Sequence[CaseGroup]) -> tuple[CaseGroup, ...]:
    """No more than ``MAX_GROUPS``, beside what has no value: the last have the others in them."""
    named = [group for group in groups if group.key]
    if len(named) > MAX_GROUPS:
        rest = [case for group in named[MAX_GROUPS - 1 :] for case in group.cases]
        named = [*named[: MAX_GROUPS - 1], CaseGroup("…", OTHERS, tuple(rest))]
    # Missing comes last, and is never put together with others: it is no value.
    return (*named, *(group for group in groups if not group.key))


def _gathered(
    cases: Sequence[RecourseCase],
    value: Callable[[RecourseCase], Any],
    labels: Mapping[str, Labels],
) -> tuple[CaseGroup, ...]:
    # Categories in the schema's order, not by size: reports of two months can be compared.
    found: dict[str, list[RecourseCase]] = {name: [] for name in labels}
    absent = []
    for case in cases:
        own = value(case)
        if own is None:
            absent.append(case)
        else:
            found.setdefault(str(own), []).append(case)
    others = sorted(found.keys() - set(labels), key=lambda name: (-len(found[name]), name))
    groups = [
        CaseGroup(name, labels.get(name, dict.fromkeys(LANGUAGES, name)), tuple(found[name]))
        for name in (*labels, *others)
        if found[name]
    ]
    return (*groups, *([CaseGroup("", MISSING, tuple(absent))] if absent else ()))


def _parted(
    cases: Sequence[RecourseCase], value: Callable[[RecourseCase], Any], unit: str, parts: int
) -> tuple[CaseGroup, ...]:
    read = [(float(value(c)), c) for c in cases if value(c) is not None]
    absent = tuple(c for c in cases if value(c) is None)
    groups: list[CaseGroup] = []
    if read:
        values = np.array([v for v, _ in read])
        ends = _ends(values, parts)
        # Equal readings are in one group, whatever the quantile says.
        place = np.searchsorted(ends, values)
        # A flag's two readings are named by what they are, not as "above 0 to 1".
        is_few = len(np.unique(values)) == len(ends)
        starts = list(ends) if is_few else [float(values.min()), *ends[:-1]]
        for k, (start, end) in enumerate(zip(starts, ends, strict=True)):
            inside = tuple(c for (_, c), p in zip(read, place, strict=True) if p == k)
            spans = f"{plain(start)}..{plain(end)}"
            groups.append(CaseGroup(spans, _span(float(start), float(end), unit, k), inside))
    return (*groups, *([CaseGroup("", MISSING, absent)] if absent else ()))


def _ends(values: npt.NDArray[np.float64], parts: int) -> npt.NDArray[np.float64]:
    """The greatest reading of each part; equal readings are in one."""
    shares = np.arange(1, parts + 1) / parts
    # inverted_cdf: ends are readings that were seen, so a group's name is true of it.
    ends = np.unique(np.quantile(values, shares, method="inverted_cdf"))
    if parts == HALVES and len(ends) == 1:  # half have the greatest: the others are the lower half
        return np.unique(values)[-2:]
    return ends


def _span(start: float, end: float, unit: str, k: int) -> Labels:
    """The first quarter has its start in it; of the others it belongs to the one before."""
    if start == end:
        return dict.fromkeys(LANGUAGES, f"{exactly(end)} {unit}".rstrip())
    key = "recourse.span" if k else "recourse.first_span"
    ends = say_all(key, low=exactly(start), high=exactly(end))
    return {tag: f"{span} {unit}".rstrip() for tag, span in ends.items()}
