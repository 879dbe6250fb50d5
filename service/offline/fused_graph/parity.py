"""A fused graph held against the engine and the deployed model."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from onnx import ModelProto

from ifonly.explainers.causal.consequences import CausalConsequences
from ifonly.models.onnx import run_graph
from ifonly.models.predictor import Predictor, Row, Rows, Scores
from ifonly.service.offline.fused_graph.graph import ACTIONS, FACTUAL, ROW, SCORES, SET

Flags = npt.NDArray[np.bool_]


@dataclass(frozen=True, eq=False)
class Parity:
    """What both said of actions of which it can be told what follows."""

    largest: float
    """Difference of any value of a row, relative to its size above 1."""
    disputed: int
    """Actions of which only one of both can tell it."""
    scores: Scores
    expected: Scores


def compare(
    graph: ModelProto,
    consequences: CausalConsequences,
    predictor: Predictor,
    factual: Row,
    actions: Rows,
    is_set: Flags,
) -> Parity:
    """``actions`` and ``is_set`` ``(n, d)``, on one factual ``(d,)``.

    Raises
    ------
    GraphError
        If either cannot be run.
    """
    feeds = {ACTIONS: actions, SET: is_set, FACTUAL: factual[None]}
    rows, scores = run_graph(graph, (ROW, SCORES), feeds)
    expected = following(consequences, factual, actions, is_set)
    asked = np.where(is_set, actions, factual)
    ours, theirs = _told(rows, asked), _told(expected, asked)
    # Rows that one side cannot tell are counted apart: NaN has no difference to anything.
    told = ours & theirs & np.isfinite(scores).all(axis=1)
    rows, expected = rows[told], expected[told]
    # Relative from 1 on: near 0 a relative difference of rounding would be huge.
    apart = np.abs(rows - expected) / np.maximum(1.0, np.abs(expected))
    largest = float(np.nanmax(apart, initial=0.0))
    return Parity(
        largest,
        int((told != theirs).sum() + (ours & ~theirs).sum()),
        scores[told],
        predictor.score(expected),
    )


def _told(rows: Rows, asked: Rows) -> Flags:
    """Which of ``rows`` have a number wherever ``asked`` has one."""
    return np.asarray((np.isfinite(rows) | ~np.isfinite(asked)).all(axis=1))


def following(consequences: CausalConsequences, factual: Row, actions: Rows, is_set: Flags) -> Rows:
    """The row that each action leads to by the compiled engine, ``(n, d)``."""
    rows = [
        consequences.rows(factual, np.flatnonzero(flags).tolist(), action[None, flags])[0]
        for action, flags in zip(actions, is_set, strict=True)
    ]
    return np.array(rows)
