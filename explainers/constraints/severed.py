"""What may not be left to follow: what moves it is set only together with it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property, reduce
from operator import and_, or_
from typing import ClassVar

from ifonly.explainers.constraints.base import Constraint
from ifonly.explainers.constraints.cells import Axes, Cells, Factual, Kept
from ifonly.explainers.constraints.conditions import Changes, Truth
from ifonly.explainers.constraints.forms import Pairs, SetTogether
from ifonly.explainers.constraints.kind import ConstraintKind
from ifonly.explainers.space import moved, negation
from ifonly.explainers.speaker import Speaker, Words
from ifonly.models.predictor import Row


@dataclass(frozen=True)
class Severed(Constraint):
    """Of each pair: if any of the causes is set, the effect is set too, so that it does not follow.

    What is set has its value whatever its causes do: an answer that keeps this does not rest on
    what is believed of how the effect follows.
    """

    of_action = True

    words: ClassVar[Words] = {
        "en": lambda kept, by: (
            "nothing may rest on a part of the causal model that failed a check "
            f"({_named(kept, by)} would have to be set as well)"
        ),
        "ko": lambda kept, by: (
            "검사에 실패한 인과 모델 부분에 근거할 수 없음"
            f"(함께 설정해야 하는 항목: {_named(kept, by)})"
        ),
        "ja": lambda kept, by: (
            "検査に不合格だった因果モデルの部分に基づいてはならない"
            f"（併せて設定する必要がある項目: {_named(kept, by)}）"
        ),
    }

    pairs: Pairs

    @property
    def columns(self) -> frozenset[int]:
        return frozenset().union(*(causes | {effect} for causes, effect in self.pairs))

    @cached_property
    def form(self) -> SetTogether:
        return SetTogether(self.pairs)

    def kept(self, cells: Cells, factual: Factual) -> Kept:
        def does(j: int) -> Kept:
            return moved(cells[j], factual[j])

        each = (
            does(effect) | negation(reduce(or_, map(does, causes), False))
            for causes, effect in self.pairs
        )
        return reduce(and_, each, True)

    def narrow(self, axes: Axes, factual: Row) -> Axes:
        for causes, effect in self.pairs:
            if Changes(effect).truth(axes, factual) is Truth.NEVER:
                for j in causes:
                    axes = Changes(j, does=False).require(axes, factual)
            elif any(Changes(j).truth(axes, factual) is Truth.ALWAYS for j in causes):
                axes = Changes(effect).require(axes, factual)
        return axes


def _named(kept: Severed, by: Speaker) -> str:
    effects: Sequence[int] = sorted({effect for _, effect in kept.pairs})
    return ", ".join(by.name(j) for j in effects)


KIND = ConstraintKind(Severed)
"""Declared by ``policy.causal.failed_checks = "forbid"``, of what had failed of a causal model."""
