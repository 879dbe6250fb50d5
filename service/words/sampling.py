"""What a sample shows, in words."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import ROUND_CEILING, ROUND_FLOOR, Decimal
from fractions import Fraction

from ifonly.explainers.wording.numerals import count, exact_percentage
from ifonly.models.schema import Labels
from ifonly.service.words.catalogue import in_each, say
from ifonly.service.words.typography import percents

_TENTH, _HUNDREDTH = Decimal("0.1"), Decimal("0.01")


@dataclass(frozen=True, slots=True)
class SampleOutcome:
    """Of a sample."""

    population: int
    size: int
    judged: int
    rejected: int
    low: int
    high: int
    """Of the population, two-sided."""
    most: int
    """One-sided."""


def outward(found: int, of: int, *, up: bool) -> str:
    """A bound as a share, in percent: rounded away from what it bounds, so that what is said is
    never more than what is shown.

    >>> outward(493, 10_000, up=True), outward(15, 1_000, up=False), outward(1, 3_000, up=True)
    ('5 %', '1.5 %', '0.04 %')
    """
    exact = Decimal(100 * found) / Decimal(of)
    digits = _HUNDREDTH if exact < 1 else _TENTH
    rounded = exact.quantize(digits, ROUND_CEILING if up else ROUND_FLOOR)
    return f"{rounded.normalize():f} %"


def planned(population: int, size: int, accept: int, most: int, confidence: Fraction) -> Labels:
    """What a sample would show, were no more rejected than are accepted."""
    return _said(
        "sample.planned_some" if accept else "sample.planned_none",
        population=count(population),
        size=count(size),
        accept=count(accept),
        most=count(most),
        share=outward(most, population, up=True),
        confidence=exact_percentage(float(confidence)),
    )


def result(
    found: SampleOutcome, confidence: Fraction, tolerable: Fraction | None, met: bool | None
) -> Labels:
    """What the verdicts so far show."""
    said = _said(
        "sample.result" if found.judged == found.size else "sample.result_open",
        rejected=count(found.rejected),
        judged=count(found.judged),
        size=count(found.size),
        population=count(found.population),
        low=count(found.low),
        high=count(found.high),
        low_share=outward(found.low, found.population, up=False),
        high_share=outward(found.high, found.population, up=True),
        most=count(found.most),
        most_share=outward(found.most, found.population, up=True),
        confidence=exact_percentage(float(confidence)),
    )
    if tolerable is None or met is None:
        return said
    end = _said("sample.met" if met else "sample.not_met", rate=exact_percentage(float(tolerable)))
    return in_each(lambda language: f"{said[language]} {end[language]}")


def _said(key: str, **values: str) -> Labels:
    """In each language, percent signs as it writes them."""
    return in_each(lambda language: percents(say(key, language, **values), language, " "))
