"""All that Korean says of answers."""

from __future__ import annotations

from ifonly.explainers.wording.catalogue import Catalogue
from ifonly.explainers.wording.ko.limits import KoreanLimits
from ifonly.explainers.wording.ko.many import KoreanMany
from ifonly.explainers.wording.ko.own_words import KoreanClause
from ifonly.explainers.wording.ko.reasons import KoreanReasons
from ifonly.explainers.wording.ko.sentences import Korean
from ifonly.explainers.wording.ko.spoken_units import spoken
from ifonly.explainers.wording.ko.windows import when
from ifonly.explainers.wording.units import Unit


def _learn(unit: Unit) -> None:
    spoken(unit.symbol)


CATALOGUE = Catalogue(
    Korean, KoreanLimits, KoreanMany, KoreanReasons, KoreanClause.read, when, _learn
)
