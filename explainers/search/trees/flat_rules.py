"""Rules as the flat arrays that the compiled search reads: made once for a policy."""

from __future__ import annotations

from collections.abc import Sequence, Sized
from dataclasses import dataclass, replace
from itertools import accumulate

import numpy as np
import numpy.typing as npt

from ifonly.explainers.constraints import Changes, Comparison, Condition, IsIn, Relation
from ifonly.explainers.constraints.forms import Implication
from ifonly.explainers.errors import NotEligible
from ifonly.explainers.native import kernel
from ifonly.explainers.native.kernel import FEATURE_BITS
from ifonly.explainers.search.trees.question import FlatRules
from ifonly.models.predictor import Row
from ifonly.models.schema import Schema

_RELATIONS = {
    Relation.LE: kernel.LE,
    Relation.LT: kernel.LT,
    Relation.GE: kernel.GE,
    Relation.GT: kernel.GT,
    Relation.EQ: kernel.EQ,
    Relation.NE: kernel.NE,
}


@dataclass(frozen=True, eq=False)
class Flattened:
    """The rules of a policy, and the conditions among them that depend on the factual."""

    rules: FlatRules
    of_factual: tuple[tuple[int, Comparison | IsIn], ...]

    def for_factual(self, factual: Row) -> FlatRules:
        """The arrays for a question about ``factual``."""
        # Most rules read the counterfactual alone, and their arrays serve every question.
        if not self.of_factual:
            return self.rules
        flag = self.rules.flag.copy()
        fixed, fixed_size = self.rules.fixed.copy(), self.rules.fixed_size.copy()
        for at, condition in self.of_factual:
            # With the factual known, its terms are a constant of the comparison.
            if isinstance(condition, Comparison):
                fixed[at], fixed_size[at] = condition.fixed(factual)
            else:
                true = condition.true(factual, factual)
                flag[at] = kernel.ALWAYS if true else kernel.NEVER
        return replace(self.rules, flag=flag, fixed=fixed, fixed_size=fixed_size)


def flatten(rules: Sequence[Implication], schema: Schema) -> Flattened:
    """The rules as arrays.

    Raises
    ------
    NotEligible
        If a condition is of a kind that the compiled search does not know.
    """
    flat = _Flattening(schema)
    for rule in rules:
        flat.add(rule)
    return Flattened(flat.arrays(), tuple(flat.of_factual))


class _Flattening:
    def __init__(self, schema: Schema) -> None:
        self._schema = schema
        self._rule = [0]
        self._split: list[int] = []
        self._conditions: list[tuple[int, int, int, float, float]] = []
        self._terms = [0]
        self._term: list[tuple[int, float]] = []
        self._member: list[npt.NDArray[np.uint8]] = []
        self._reads: list[list[int]] = []
        self.of_factual: list[tuple[int, Comparison | IsIn]] = []

    def add(self, rule: Implication) -> None:
        for condition in rule.when:
            self._add(condition)
        self._split.append(len(self._conditions))
        for condition in rule.then:
            self._add(condition)
        self._rule.append(len(self._conditions))
        self._reads.append(sorted(rule.columns))

    def _add(self, condition: Condition) -> None:
        at = len(self._conditions)
        match condition:
            case Comparison():
                flag = _RELATIONS[condition.relation]
                size = abs(condition.constant)
                self._conditions.append((kernel.COMPARISON, flag, -1, condition.constant, size))
                self._term.extend(condition.now)
                if condition.before:
                    self.of_factual.append((at, condition))
            case Changes():
                flag = int(condition.does)
                self._conditions.append((kernel.CHANGES, flag, condition.column, 0.0, 0.0))
            # Replaced for each factual in `for_factual`; until then it must not be taken for true.
            case IsIn(of_factual=True):
                self._conditions.append((kernel.CONSTANT, kernel.NEVER, -1, 0.0, 0.0))
                self.of_factual.append((at, condition))
            case IsIn():
                start = sum(len(member) for member in self._member)
                count = len(self._schema.features[condition.column].categories)
                inside = np.isin(np.arange(count), list(condition.codes)) == condition.inside
                self._member.append(inside.astype(np.uint8))
                self._conditions.append((kernel.MEMBER, start, condition.column, 0.0, 0.0))
            # A kind that is unknown here would be dropped silently: the engine refuses instead.
            case _:
                raise NotEligible("trees", f"{type(condition).__name__} is not in the proof")
        self._terms.append(len(self._term))

    def arrays(self) -> FlatRules:
        kinds, flags, columns, fixed, sizes = (
            zip(*self._conditions, strict=True) if self._conditions else ((),) * 5
        )
        return FlatRules(
            rule=np.array(self._rule, dtype=np.int64),
            split=np.array(self._split, dtype=np.int64),
            kind=np.array(kinds, dtype=np.int64),
            flag=np.array(flags, dtype=np.int64),
            column=np.array(columns, dtype=np.int64),
            fixed=np.array(fixed, dtype=np.float64),
            fixed_size=np.array(sizes, dtype=np.float64),
            terms=np.array(self._terms, dtype=np.int64),
            term_column=np.array([j for j, _ in self._term], dtype=np.int64),
            term_weight=np.array([w for _, w in self._term], dtype=np.float64),
            member=np.concatenate([np.zeros(0, np.uint8), *self._member]),
            reads=offsets(self._reads),
            read=np.array([j for group in self._reads for j in group], dtype=np.int64),
            # Through a set, as features that share a bit would be added twice.
            touched=np.array(
                [sum(1 << bit for bit in {j % FEATURE_BITS for j in g}) for g in self._reads],
                dtype=np.int64,
            ),
        )


def offsets(groups: Sequence[Sized]) -> npt.NDArray[np.int64]:
    """Where each group begins when they are laid end to end, and the end of the last."""
    return np.array([0, *accumulate(map(len, groups))], dtype=np.int64)
