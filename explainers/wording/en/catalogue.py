"""All that English says of answers."""

from __future__ import annotations

from ifonly.explainers.wording.catalogue import Catalogue
from ifonly.explainers.wording.en.limits import EnglishLimits
from ifonly.explainers.wording.en.many import EnglishMany
from ifonly.explainers.wording.en.own_words import EnglishClause
from ifonly.explainers.wording.en.reasons import EnglishReasons
from ifonly.explainers.wording.en.sentences import English
from ifonly.explainers.wording.en.windows import when

CATALOGUE = Catalogue(English, EnglishLimits, EnglishMany, EnglishReasons, EnglishClause.read, when)
