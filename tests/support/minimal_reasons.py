"""The oracle of sufficient reasons: walk every row, then every set of features."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from ifonly.explainers.reason import Reasons, ReasonStatus
from ifonly.explainers.reasons.ask import ReasonQuestion, reasons
from ifonly.explainers.search.engine import Engine
from ifonly.models.predictor import Predictor, Row
from ifonly.models.schema import Schema, Task
from tests.support.bruteforce import moved, settable
from tests.support.generated import SCHEMA, decision, factual
from tests.support.kinds import KINDS, ConstraintKind
from tests.support.questions import policy

OF_ROWS = tuple(
    kind for kind in KINDS if kind.rule and "changes" not in kind.rule and "'" not in kind.rule
)
"""Rules that say what rows there are. All others of `KINDS` speak of changes."""
OF_CHANGES = tuple(kind for kind in KINDS if kind not in OF_ROWS)
EVERY = 20
"""More minimal sets than five features have (10)."""


@dataclass(frozen=True)
class Walked:
    """What walking everything says."""

    decided: int
    minimal: frozenset[tuple[int, ...]]
    """Sets of features that are sufficient, and no part of which is."""


def walked(
    schema: Schema, row: Row, predictor: Predictor, kinds: Sequence[ConstraintKind], task: Task
) -> Walked:
    before, decide = row.tolist(), decision(task).decide
    kept = [k.keeps for k in kinds if k in OF_ROWS and k.keeps(before, before)]
    axes = [settable(f, v) for f, v in zip(schema.features, before, strict=True)]
    rows = np.array(list(itertools.product(*axes)))
    own = int(decide(predictor.score(row[None, :]))[0])
    others = rows[decide(predictor.score(rows)) != own]
    contrasts = {
        tuple(moved(other, before))
        for other in others.tolist()
        if all(keeps(other, before) for keeps in kept)
    }
    n = len(schema)
    sufficient = [
        frozenset(some)
        for size in range(n + 1)
        for some in itertools.combinations(range(n), size)
        if not any(all(not c[j] for j in some) for c in contrasts)
    ]
    minimal = {s for s in sufficient if not any(other < s for other in sufficient)}
    return Walked(own, frozenset(tuple(sorted(s)) for s in minimal))


def asked(
    seed: int, task: Task, kinds: Sequence[ConstraintKind], predictor: Predictor, engine: Engine
) -> tuple[Reasons, Walked]:
    """The answer to a generated question, and what walking says of it."""
    row = factual(seed, missing=seed % 3 == 0)
    question = ReasonQuestion(policy(kinds, task), row, sets=EVERY, seed=seed)
    return (
        reasons(question, predictor, engine=engine),
        walked(SCHEMA, row, predictor, kinds, task),
    )


def faults(answer: Reasons, walk: Walked) -> list[str]:
    """What an answer to which there was time enough says wrongly."""
    found = {reason.columns for reason in answer.reasons}
    fewest = min(map(len, walk.minimal))
    told = []
    if answer.prediction.decided != walk.decided:
        told.append(f"decided {answer.prediction.decided}, walk {walk.decided}")
    if found != walk.minimal or len(answer.reasons) != len(found):
        told.append(f"sets {sorted(found)}, walk {sorted(walk.minimal)}")
    if not answer.is_complete or answer.at_least != fewest:
        told.append(f"complete {answer.is_complete}, at least {answer.at_least} of {fewest}")
    for reason in answer.reasons:
        is_smallest = len(reason.columns) == fewest
        wanted = ReasonStatus.SMALLEST if is_smallest else ReasonStatus.MINIMAL
        if reason.status is not wanted:
            told.append(f"{reason.columns} is {reason.status}")
        if tuple(w.column for w in reason.witnesses) != reason.columns:
            told.append(f"{reason.columns} has witnesses of {[w.column for w in reason.witnesses]}")
    if answer.work.rejected:
        told.append(f"rejected {answer.work.rejected}")
    share = {j: sum(j in s for s in walk.minimal) / len(walk.minimal) for j in range(len(SCHEMA))}
    told += [f"share {p}" for p in answer.principal if share[p.column] != p.share]
    return told


def shrunk(answer: Reasons) -> Reasons:
    """The same answer without what only counts."""
    return replace(answer, work=replace(answer.work, rows=0, runs=0, nodes=0))
