"""A predictor's word on a row is read in whichever form it has, and in no other."""

from __future__ import annotations

import math
from typing import Any

import pytest

from ifonly.models.said import PredictorWord, evened, expected, read_said
from ifonly.models.schema import Category, Decision, Task

BINARY = Decision(Task.BINARY, (Category("good"), Category("bad")), positive=1, threshold=0.4)
SWAPPED = Decision(Task.BINARY, (Category("bad"), Category("good")), positive=0, threshold=0.4)
MANY = Decision(Task.MULTICLASS, (Category("a"), Category("b"), Category("c")))
VALUE = Decision(Task.REGRESSION)
LIMITED = Decision(Task.REGRESSION, (Category("low"), Category("high")), 1, 10.0)


@pytest.mark.parametrize(
    ("decision", "said", "decided", "scores"),
    [
        (BINARY, "bad", 1, None), (BINARY, "good", 0, None), (BINARY, 1, 1, None),
        (BINARY, 0, 0, None), (BINARY, True, 1, None), (BINARY, [0.55, 0.45], 1, (0.45,)),
        (BINARY, 0.45, 1, (0.45,)), (BINARY, 0.3, 0, (0.3,)), (BINARY, [0.5], 1, (0.5,)),
        (BINARY, [1], 1, None), (BINARY, [1, 0], 0, (0.0,)), (SWAPPED, [0.45, 0.55], 0, (0.45,)),
        (MANY, [0.1, 0.8, 0.1], 1, (0.1, 0.8, 0.1)), (MANY, "c", 2, None), (MANY, 2, 2, None),
        (VALUE, 10.0000004, -1, (10.0000004,)), (VALUE, [10], -1, (10.0,)),
        (VALUE, 10, -1, (10.0,)),
        (LIMITED, "high", 1, None), (LIMITED, 9, 0, (9.0,)),
        (VALUE, 10**400, -1, (math.inf,)),
    ],
)  # fmt: skip
def test_a_word_is_read(
    decision: Decision, said: Any, decided: int, scores: tuple[float, ...] | None
) -> None:
    found = read_said(said, decision)
    assert found is not None
    assert (found.decided, found.scores) == (decided, scores)


@pytest.mark.parametrize("said", [math.nan, math.inf, -math.inf, 10**400])
def test_numbers_that_are_none_are_left_to_be_refused(said: float) -> None:
    words = [(BINARY, [0.5, said]), (BINARY, [said, 0.5]), (SWAPPED, [0.5, said]), (VALUE, [said])]
    for decision, word in [*words, (VALUE, said)]:
        found = read_said(word, decision)
        assert found is not None
        assert found.scores is not None
        assert not math.isfinite(found.scores[0])


@pytest.mark.parametrize(
    ("decision", "said"),
    [
        (BINARY, None), (BINARY, "BAD"), (BINARY, 2), (BINARY, -1), (BINARY, []), (BINARY, {}),
        (BINARY, [0.2, 0.3, 0.5]), (BINARY, ["good", "bad"]), (BINARY, [[0.5]]),
        (BINARY, {"label": "bad"}), (BINARY, [True, False]), (MANY, 0.5), (MANY, [0.5, 0.5]),
        (MANY, ["a", "b", "c"]), (MANY, 3), (VALUE, "10"), (VALUE, None), (VALUE, True),
        (VALUE, [1.0, 2.0]), (LIMITED, [1.0, 2.0]),
    ],
)  # fmt: skip
def test_what_is_in_no_form_is_not_guessed(decision: Decision, said: Any) -> None:
    assert read_said(said, decision) is None


def test_scores_of_one_model_are_near() -> None:
    assert PredictorWord(1, (0.93,)).is_near((0.930005,))
    assert not PredictorWord(1, (0.93,)).is_near((0.94,))
    assert not PredictorWord(1, (0.1, 0.8, 0.1)).is_near((0.1, 0.7, 0.2))
    assert not PredictorWord(-1, (10.1,)).is_near((10.0,))


@pytest.mark.parametrize(
    ("names", "said", "decided"),
    [
        (("1", "2", "3"), 1, 0), (("1", "2", "3"), 3, 2), (("1", "2", "3"), 0, None),
        (("-1", "1"), -1, 0), (("-1", "1"), 1, 1), (("-1", "1"), 0, None),
        (("1", "0"), 1, 0), (("1", "0"), True, 0), (("0", "1"), 1, 1), (("1", "b"), 1, 1),
    ],
)  # fmt: skip
def test_a_label_that_is_a_number_is_a_name_where_names_are_numbers(
    names: tuple[str, ...], said: int, decided: int | None
) -> None:
    """Of the classes 1 to 3, 1 is the first: by its place it would be the second."""
    task = Task.BINARY if len(names) == 2 else Task.MULTICLASS
    threshold = 0.5 if task is Task.BINARY else None
    decision = Decision(task, tuple(map(Category, names)), 1, threshold)
    found = read_said(said, decision)
    assert (None if found is None else found.decided) == decided


def test_a_whole_number_that_no_float_holds_is_left_to_be_refused() -> None:
    """Beside a float it is read as one; it was an internal error."""
    assert evened([0.1, 10**400, [1], "bad"]) == [0.1, math.inf, [1.0], "bad"]
    assert evened([0, 10**400]) == [0, 10**400]


def test_both_shares_of_a_binary_model_are_compared() -> None:
    """The positive one alone is no word: 0.45 of two that do not add up, or of another order."""
    for said, is_near in (([0.55, 0.45], True), ([0.9, 0.45], False), ([0.0, 0.45], False)):
        found = read_said(said, BINARY)
        assert found is not None
        assert found.is_near((0.45,)) is is_near


def test_the_forms_are_told() -> None:
    assert "'good', 'bad'" in expected(BINARY)
    assert "the probability of 'bad'" in expected(BINARY)
    assert "3 probabilities" in expected(MANY)
    assert expected(VALUE) == "a number"
