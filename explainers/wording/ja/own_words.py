"""A plant's own words in Japanese: a verbal noun without する, ``工具を交換`` (していれば,
しなかった, した), or a passive stem that ends in され: ``融資が承認され`` (ていれば, なかった)."""

from __future__ import annotations

import re
from dataclasses import dataclass

from ifonly.explainers.errors import InvalidPolicy
from ifonly.explainers.wording.gauges import Change
from ifonly.explainers.wording.phrases import Clause
from ifonly.explainers.wording.text import clean

_CONJUGATED = re.compile(r"(する|した|され[るた]|ます|でした|です|ば|[。.!?！？])$")


@dataclass(frozen=True, slots=True)
class JapaneseClause(Clause):
    """``工具を交換`` and the verb that carries it, する or される."""

    stem: str
    is_passive: bool

    @classmethod
    def read(cls, text: str, key: str) -> JapaneseClause:
        stem = clean(text)
        bare = stem.removesuffix("され")
        if not bare or _CONJUGATED.search(stem):
            forms = "a verbal noun without する ('工具を交換') or one with され ('承認され')"
            problem = f"is {text!r}, not {forms}"
            raise InvalidPolicy(key, problem, text)
        return cls(bare, stem != bare)

    @property
    def past(self) -> str:
        return self.stem + ("された" if self.is_passive else "した")

    @property
    def past_denied(self) -> str:
        return self.stem + ("されなかった" if self.is_passive else "しなかった")

    @property
    def joined(self) -> str:
        return self.stem + ("され" if self.is_passive else "し")

    @property
    def if_so(self) -> str:
        return self.stem + ("されていれば" if self.is_passive else "していれば")

    @property
    def noun(self) -> str:
        return self.stem + ("される" if self.is_passive else "")


def own_clause(change: Change) -> JapaneseClause | None:
    """The plant's words for ``change``, if it gave any."""
    own = change.own.get("ja")
    assert own is None or isinstance(own, JapaneseClause)
    return own
