"""All that Korean says of answers."""

from __future__ import annotations

from explainers.wording.catalogue import Catalogue
from explainers.wording.ko.limits import KoreanLimits
from explainers.wording.ko.own_words import KoreanClause
from explainers.wording.ko.sentences import Korean
from explainers.wording.ko.spoken_units import spoken
from explainers.wording.units import Unit


def _learn(unit: Unit) -> None:
    spoken(unit.symbol)


CATALOGUE = Catalogue(Korean, KoreanLimits, KoreanClause.read, _learn)
