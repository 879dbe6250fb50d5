"""All that English says of answers."""

from __future__ import annotations

from explainers.wording.catalogue import Catalogue
from explainers.wording.en.limits import EnglishLimits
from explainers.wording.en.own_words import EnglishClause
from explainers.wording.en.sentences import English

CATALOGUE = Catalogue(English, EnglishLimits, EnglishClause.read)
