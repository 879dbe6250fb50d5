"""All that Japanese says of answers."""

from __future__ import annotations

from explainers.wording.catalogue import Catalogue
from explainers.wording.ja.limits import JapaneseLimits
from explainers.wording.ja.own_words import JapaneseClause
from explainers.wording.ja.sentences import Japanese

CATALOGUE = Catalogue(Japanese, JapaneseLimits, JapaneseClause.read)
