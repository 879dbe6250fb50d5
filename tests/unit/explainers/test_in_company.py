"""Questions that are asked together share calls of the model, and nothing else."""

from __future__ import annotations

import math

import numpy as np
import pytest

from ifonly.explainers.deadline import Deadline, OwnTime
from ifonly.explainers.in_company import Steps, alone, counted, timed, together
from ifonly.models.errors import NotFinite
from ifonly.models.predictor import Rows, Scores


class Model:
    """Doubles the one value of a row; has no number for 13."""

    def __init__(self) -> None:
        self.calls: list[int] = []

    def score(self, rows: Rows) -> Scores:
        self.calls.append(len(rows))
        lost = np.flatnonzero(rows[:, 0] == 13.0)
        if len(lost):
            raise NotFinite("model", "0", math.nan, int(lost[0]), rows[lost[0]].tolist())
        return 2.0 * rows


def question(*values: float) -> Steps[list[float]]:
    """Asks about 1 row, then 2, then 3, …, and sums what it is told."""
    found = []
    for n, value in enumerate(values, 1):
        scores = yield np.full((n, 1), value)
        assert scores.shape == (n, 1)
        found.append(float(scores.sum()))
    return found


def test_each_is_told_of_its_own_rows_in_as_few_calls_as_the_longest_needs() -> None:
    model = Model()
    asked = [question(1.0, 2.0, 3.0), question(), question(5.0), question(7.0, 8.0)]
    found = together(asked, model.score)
    assert found == [[2.0, 8.0, 18.0], [], [10.0], [14.0, 32.0]]
    assert model.calls == [3, 4, 3]
    assert alone(question(1.0, 2.0, 3.0), model.score) == found[0]
    assert together([], model.score) == []


def test_what_fails_fails_alone_and_where_it_asked() -> None:
    def careful() -> Steps[str]:
        try:
            yield np.array([[13.0]])
        except NotFinite as error:
            return f"no number for {error.row}"
        return "a number"

    def broken() -> Steps[str]:
        yield np.array([[1.0]])
        raise RuntimeError("broken")

    def stillborn() -> Steps[str]:
        yield np.array([[float("stillborn")]])
        return "asked"

    found = together(
        [question(4.0), careful(), broken(), question(13.0), stillborn()], Model().score
    )
    assert found[:2] == [[8.0], "no number for (13.0,)"]
    assert [type(each) for each in found[2:]] == [RuntimeError, NotFinite, ValueError]
    assert alone(careful(), Model().score) == "no number for (13.0,)"
    with pytest.raises(NotFinite):
        alone(question(13.0), Model().score)


def test_rows_are_counted_and_numbers_are_looked_at() -> None:
    asked: list[int] = []
    assert alone(counted(question(1.0, 2.0), asked.append), Model().score) == [2.0, 8.0]
    assert asked == [1, 2]
    with pytest.raises(NotFinite):
        alone(counted(question(1.0), asked.append), lambda rows: rows * math.nan)


def test_the_time_of_each_is_its_own() -> None:
    now = [0.0]

    def work(own: OwnTime, seconds: float) -> Steps[tuple[bool, float]]:
        deadline = Deadline(2.0, own)
        now[0] += seconds
        yield np.zeros((1, 1))
        now[0] += seconds
        return deadline.expired(), own()

    owns = [OwnTime(lambda: now[0]) for _ in range(3)]
    asked = [timed(work(own, s), own) for own, s in zip(owns, (0.5, 1.5, 0.75), strict=True)]
    found = together(asked, lambda rows: _slowly(now, rows))
    assert found == [(False, 1.0), (True, 3.0), (False, 1.5)]


def _slowly(now: list[float], rows: Rows) -> Scores:
    now[0] += 100.0
    return rows


def test_a_clock_stands_still_between_its_runs_and_after_a_failure() -> None:
    now = [10.0]
    own = OwnTime(lambda: now[0])

    def fails() -> None:
        with own.run():
            now[0] += 3.0
            raise KeyError

    with pytest.raises(KeyError):
        fails()
    now[0] += 50.0
    assert own() == 3.0
    with own.run():
        now[0] += 1.0
        assert own() == 4.0
