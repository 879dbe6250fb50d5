"""All that Japanese says of answers."""

from __future__ import annotations

from ifonly.explainers.wording.catalogue import Catalogue
from ifonly.explainers.wording.ja.limits import JapaneseLimits
from ifonly.explainers.wording.ja.many import JapaneseMany
from ifonly.explainers.wording.ja.own_words import JapaneseClause
from ifonly.explainers.wording.ja.reasons import JapaneseReasons
from ifonly.explainers.wording.ja.sentences import Japanese
from ifonly.explainers.wording.ja.windows import when

CATALOGUE = Catalogue(
    Japanese, JapaneseLimits, JapaneseMany, JapaneseReasons, JapaneseClause.read, when
)
