"""A plant's own words in Korean: a verb's stem without 하, ``공구를 교체`` (했다면, 하지 않았을
것입니다, 한), or one that ends in 되: ``대출이 승인되`` (었다면, 지 않았을 것입니다, 된)."""

from __future__ import annotations

import re
from dataclasses import dataclass

from ifonly.explainers.errors import InvalidPolicy
from ifonly.explainers.wording.gauges import Change
from ifonly.explainers.wording.phrases import Clause
from ifonly.explainers.wording.text import clean

_CONJUGATED = re.compile(r"(하다|되다|한다|된다|하고|되고|하면|되면|다면|[.!?])$")


@dataclass(frozen=True, slots=True)
class KoreanClause(Clause):
    """``공구를 교체`` and the verb that carries it, 하다 or 되다."""

    stem: str
    is_passive: bool

    @classmethod
    def read(cls, text: str, key: str) -> KoreanClause:
        stem = clean(text)
        bare = stem.removesuffix("되")
        if not bare or not "가" <= bare[-1] <= "힣" or _CONJUGATED.search(stem):
            problem = f"is {text!r}, not a stem without 하 ('공구를 교체') or with 되 ('승인되')"
            raise InvalidPolicy(key, problem, text)
        return cls(bare, stem != bare)

    @property
    def past(self) -> str:
        return self.stem + ("되었" if self.is_passive else "했")

    @property
    def past_denied(self) -> str:
        return self.stem + ("되지 않았" if self.is_passive else "하지 않았")

    @property
    def joined(self) -> str:
        return self.stem + ("되고" if self.is_passive else "하고")

    @property
    def adnominal(self) -> str:
        return self.stem + ("된" if self.is_passive else "한")

    @property
    def noun(self) -> str:
        return self.stem + ("됨" if self.is_passive else "")


def own_clause(change: Change) -> KoreanClause | None:
    """The plant's words for ``change``, if it gave any."""
    own = change.own.get("ko")
    assert own is None or isinstance(own, KoreanClause)
    return own
