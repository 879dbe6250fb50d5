"""Which Korean adjective says "lower" and "higher" of a quantity: 낮다, 적다, 짧다, 작다 …"""

from __future__ import annotations

from functools import lru_cache
from typing import NamedTuple

from ifonly.explainers.wording.units import Dimension, Unit


class Adjective(NamedTuple):
    """The forms in which sentences need it."""

    joined: str
    """``낮고``: and."""
    past: str
    """``낮았``: the past stem, for -다면 and -을 것이고."""
    noun: str
    """``낮음``: for tables."""


_LOW, _HIGH = Adjective("낮고", "낮았", "낮음"), Adjective("높고", "높았", "높음")
_LITTLE, _MUCH = Adjective("적고", "적었", "적음"), Adjective("많고", "많았", "많음")
_SHORT, _LONG = Adjective("짧고", "짧았", "짧음"), Adjective("길고", "길었", "긺")
_SMALL, _LARGE = Adjective("작고", "작았", "작음"), Adjective("크고", "컸", "큼")
_THIN, _THICK = Adjective("얇고", "얇았", "얇음"), Adjective("두껍고", "두꺼웠", "두꺼움")
_LIGHT, _HEAVY = Adjective("가볍고", "가벼웠", "가벼움"), Adjective("무겁고", "무거웠", "무거움")
_SHALLOW, _DEEP = Adjective("얕고", "얕았", "얕음"), Adjective("깊고", "깊었", "깊음")
_NARROW, _WIDE = Adjective("좁고", "좁았", "좁음"), Adjective("넓고", "넓었", "넓음")

_BY_HEAD = (
    # The end of the label decides first, the longest that fits.
    (("온도", "습도", "속도", "농도", "압력", "전압", "높이", "수위", "위치", "점수", "비율",
      "회전수"),
     (_LOW, _HIGH)),
    (("시간", "기간", "주기", "수명", "길이", "거리"), (_SHORT, _LONG)),
    (("두께",), (_THIN, _THICK)),
    (("무게", "중량", "체중"), (_LIGHT, _HEAVY)),
    (("깊이",), (_SHALLOW, _DEEP)),
    (("간격", "폭", "너비"), (_NARROW, _WIDE)),
    (("크기", "직경", "지름", "반경", "면적", "부피", "하중", "진폭"), (_SMALL, _LARGE)),
    (("량", "횟수", "건수", "개수", "인원", "인원수", "금액", "나이", "연령", "소득", "잔액"),
     (_LITTLE, _MUCH)),
)  # fmt: skip

_BY_DIMENSION = {
    Dimension.LEVEL: (_LOW, _HIGH),
    Dimension.TIME: (_LITTLE, _MUCH),
    Dimension.AMOUNT: (_LITTLE, _MUCH),
    Dimension.LENGTH: (_SMALL, _LARGE),
}


@lru_cache(maxsize=1_024)
def adjective_for(label: str, unit: Unit, up: bool) -> Adjective:
    """The adjective for more (``up``) or less of what ``label`` names, in ``unit``."""
    fitting = [(len(h), pair) for heads, pair in _BY_HEAD for h in heads if label.endswith(h)]
    pair = max(fitting, key=lambda f: f[0])[1] if fitting else _BY_DIMENSION[unit.dimension]
    return pair[up]
