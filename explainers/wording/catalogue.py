"""What the folder of a language must hold, and how it is found.

``conventions.py`` has ``CONVENTIONS``, a
:class:`ifonly.explainers.wording.conventions.Conventions`; ``catalogue.py`` has ``CATALOGUE``, a
:class:`Catalogue`. The types say what each must say; mypy holds them, and tests name what a folder
lacks.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cache
from importlib import import_module
from typing import Protocol

from ifonly.explainers.languages import Language
from ifonly.explainers.wording.gauges import Change, Gauge, When
from ifonly.explainers.wording.grounds import Grounds
from ifonly.explainers.wording.limits import Limits
from ifonly.explainers.wording.many import CommonWords
from ifonly.explainers.wording.outcomes import Closest, Odds, Outcome
from ifonly.explainers.wording.phrases import ReadClause
from ifonly.explainers.wording.reasons import ReasonWords
from ifonly.explainers.wording.units import Unit


class Grammar(Protocol):
    """The sentences of a language, each about an answer."""

    def change(self, change: Change) -> str:
        """``7.5 Nm lower``, ``H instead of L``, ``the tool replaced``: for a table."""
        ...

    def span(self, gauge: Gauge, low: float, high: float) -> str:
        """``anywhere between 38 and 53.2 Nm``."""
        ...

    def counterfactual(
        self, actions: Sequence[Change], effects: Sequence[Change], outcome: Outcome, rank: int
    ) -> str:
        """Had ``actions`` been, and so ``effects``, the ``outcome`` would have been; from rank 2
        on as an alternative."""
        ...

    def rests_on_rounding(self) -> str:
        """Say that another session of the graph may deny the counterfactual."""
        ...

    def survives(self) -> str:
        """The counterfactual holds whatever the sensors' tolerances make of the readings."""
        ...

    def proven_smallest(self) -> str:
        """Nothing smaller would have done."""
        ...

    def not_proven_smallest(self, percent: int | None, out_of_time: bool) -> str:
        """Something up to ``percent`` smaller may do; None where that is not bounded."""
        ...

    def infeasible(self, outcome: Outcome) -> str:
        """Nothing allowed leads to ``outcome``."""
        ...

    def blocked(self, constraints: Sequence[str], more: int) -> str:
        """What stands in the way, and how many ``more``."""
        ...

    def lifted(self, constraint: str, counterfactual: str) -> str:
        """What would do without one constraint: a statement, never advice to lift it."""
        ...

    def unknown(self, outcome: Outcome, rows: int | None) -> str:
        """``rows`` scored, or None where the time ran out."""
        ...

    def abstained(
        self, outcome: Outcome, percent: int, *, several: bool, later: bool = False
    ) -> str:
        """``percent`` of the mechanisms that fit the data, for the surest change; ``several``: by
        the weights of graphs that may be the true one; ``later``: of draws of mechanisms and of
        what is left of the machine's own noise when it is carried out."""
        ...

    def already(self, outcome: Outcome) -> str:
        """There is nothing to change."""
        ...

    def less_sure(self, closest: Closest, demanded: Odds) -> str:
        """Say that the factual is as wanted, and less probable than is demanded of a change."""
        ...

    def demanded(self, odds: Odds) -> str:
        """As one of the things that stand in the way."""
        ...

    def closest(self, closest: Closest) -> str:
        """The closest prediction found."""
        ...


def _nothing_to_learn(unit: Unit) -> None:
    pass


@dataclass(frozen=True, slots=True)
class Catalogue:
    """All that one language says of answers."""

    grammar: Callable[[Grounds], Grammar]
    limits: type[Limits]
    many: Callable[[Grounds], CommonWords]
    """Of one change of many machines."""
    reasons: Callable[[], ReasonWords]
    """Of readings that alone force a decision."""
    clause: ReadClause
    """Reads a plant's own words; see :mod:`ifonly.explainers.wording.phrases`."""
    when: Callable[[When], str]
    """Of a window: ``from 10 minutes before on``."""
    learn: Callable[[Unit], None] = _nothing_to_learn
    """What the language looks up of a unit, looked up ahead."""


@cache
def catalogue(language: Language) -> Catalogue:
    """The catalogue in the language's folder."""
    found = import_module(f"ifonly.explainers.wording.{language}.catalogue").CATALOGUE
    assert isinstance(found, Catalogue)
    return found
