"""Answers in words: "Had the model read the torque as 7.5 Nm lower, …".

Without a causal model a sentence speaks of what the *model* reads and decides, never of the
equipment; :class:`Grounds` is the switch. It says what would have been, and gives no advice.

What a spec may supply (all optional)
-------------------------------------
``[decision.phrases]``
    - ``alarm``: a noun, ``{en = "the alarm", ko = "경보"}``. The positive class raises it.
    - ``score``: a noun, ``{en = "the NOx concentration", ko = "NOx 농도"}``: what is predicted.
    - a class's name: a clause, ``{en = "the loan been approved", ko = "대출이 승인되"}``. Of two
      classes one is enough: the other is its denial.

    Without them the decision is said by its label: "its decision would have been 'normal'".
``[policy.features.X] phrases``
    Own words for setting X to a value:
    ``{"0" = {en = "the tool been replaced", ko = "공구를 교체"}}``.

A clause takes every mood, so it is given in a form that does: English
``<subject> been <participle …>``; Korean a verb's stem without 하, or one that ends in 되. See
``own_words`` in the folder of each language.

A constraint kind without words in some language fails here, at import.
"""

from __future__ import annotations

from ifonly.explainers.languages import DEFAULT_LANGUAGES, LANGUAGES, Language, is_language
from ifonly.explainers.wording.catalogue import catalogue
from ifonly.explainers.wording.grounds import Grounds
from ifonly.explainers.wording.limits import require_words
from ifonly.explainers.wording.wording import Wording

for _language in LANGUAGES:
    require_words(catalogue(_language).limits)

__all__ = ["DEFAULT_LANGUAGES", "LANGUAGES", "Grounds", "Language", "Wording", "is_language"]
