"""A plant's own words in English: ``<subject> been <participle …>``, the subject in the singular.

``the tool been replaced`` gives "Had the tool been replaced", "Had the model read the tool as
replaced", "the tool would (not) have been replaced".
"""

from __future__ import annotations

from dataclasses import dataclass

from ifonly.explainers.errors import InvalidPolicy
from ifonly.explainers.wording.gauges import Change
from ifonly.explainers.wording.phrases import Clause
from ifonly.explainers.wording.text import clean


@dataclass(frozen=True, slots=True)
class EnglishClause(Clause):
    """``the tool`` and ``replaced``."""

    subject: str
    predicate: str

    @classmethod
    def read(cls, text: str, key: str) -> EnglishClause:
        subject, been, predicate = clean(text).partition(" been ")
        if not (subject and been and predicate) or predicate.endswith((".", "!", "?")):
            problem = (
                f"is {text!r}, not '<subject> been <participle>' as in 'the tool been replaced'"
            )
            raise InvalidPolicy(key, problem, text)
        return cls(subject, predicate)


def own_clause(change: Change) -> EnglishClause | None:
    """The plant's words for ``change``, if it gave any."""
    own = change.own.get("en")
    assert own is None or isinstance(own, EnglishClause)
    return own
