"""Which Japanese adjective says "lower" and "higher" of a quantity: 低い, 少ない, 短い, 小さい …"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

from ifonly.explainers.wording.units import Dimension, Unit


@dataclass(frozen=True, slots=True)
class Adjective:
    """An い-adjective by its stem."""

    stem: str

    @property
    def joined(self) -> str:
        """``低く``: and."""
        return f"{self.stem}く"

    @property
    def if_so(self) -> str:
        """``低ければ``."""
        return f"{self.stem}ければ"

    @property
    def plain(self) -> str:
        """``低い``: for tables."""
        return f"{self.stem}い"


Pair = tuple[Adjective, Adjective]
_LEVEL: Pair = (Adjective("低"), Adjective("高"))
_AMOUNT: Pair = (Adjective("少な"), Adjective("多"))
_LENGTH: Pair = (Adjective("短"), Adjective("長"))
_SIZE: Pair = (Adjective("小さ"), Adjective("大き"))
_SPEED: Pair = (Adjective("遅"), Adjective("速"))

_BY_HEAD: tuple[tuple[tuple[str, ...], Pair], ...] = (
    # The end of the label decides first, the longest that fits; English labels stand in for ours.
    (("温度", "湿度", "濃度", "圧力", "電圧", "高さ", "水位", "液位", "位置", "率", "回転数",
      "回転速度", "temperature", "pressure", "speed", "height", "level", "position"),
     _LEVEL),
    (("時間", "期間", "周期", "寿命", "長さ", "距離", "間隔", "time", "duration", "period",
      "interval", "cycle", "length", "distance", "stroke"),
     _LENGTH),
    (("厚さ", "厚み", "thickness"), (Adjective("薄"), Adjective("厚"))),
    (("重さ", "重量", "質量", "体重", "weight"), (Adjective("軽"), Adjective("重"))),
    (("深さ", "depth"), (Adjective("浅"), Adjective("深"))),
    (("幅", "width"), (Adjective("狭"), Adjective("広"))),
    (("サイズ", "大きさ", "直径", "半径", "径", "面積", "体積", "荷重", "振幅", "area",
      "size", "diameter"),
     _SIZE),
    (("量", "回数", "件数", "個数", "人数", "金額", "年齢", "所得", "残高"), _AMOUNT),
    (("速度", "速さ"), _SPEED),
)  # fmt: skip

_BY_DIMENSION: dict[Dimension, Pair] = {
    Dimension.LEVEL: _LEVEL,
    Dimension.TIME: _AMOUNT,
    Dimension.AMOUNT: _AMOUNT,
    Dimension.LENGTH: _SIZE,
}


@lru_cache(maxsize=1_024)
def adjective_for(label: str, unit: Unit, up: bool) -> Adjective:
    """The adjective for more (``up``) or less of what ``label`` names, in ``unit``."""
    fitting = [
        (len(h), pair) for heads, pair in _BY_HEAD for h in heads if label.lower().endswith(h)
    ]
    pair = max(fitting, key=lambda f: f[0])[1] if fitting else _BY_DIMENSION[unit.dimension]
    return pair[up]
