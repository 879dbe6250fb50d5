"""Which output of a graph is the score, which its label, and what the two decide."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt
import onnx
from onnx import ModelProto

from ifonly.models.adding.questions import Asker, Question
from ifonly.models.encoding import Encoding, Form
from ifonly.models.errors import DataError, GraphError
from ifonly.models.graph import feature_thresholds
from ifonly.models.onnx.guard import Guard
from ifonly.models.onnx.outputs import as_matrix, is_label, score_candidates
from ifonly.models.onnx.parity import threshold_neighbours
from ifonly.models.onnx.predictor import fixed_batch
from ifonly.models.onnx.reading import tensor_inputs
from ifonly.models.onnx.sessions import open_session
from ifonly.models.onnx.surgery import class_labels, remove_zipmaps
from ifonly.models.predictor import Rows, Scores, finite
from ifonly.models.sample import name_of
from ifonly.models.schema import Category, Decision, Task
from ifonly.models.spec import OutputBinding

NONE = "none"
_TOLD = ("prob", "softmax", "sigmoid")
_GOOD = frozenset(
    "normal ok okay good pass passed healthy inlier no false 0 approved accept accepted".split()
)
MOST_THRESHOLDS = 2_000
"""Thresholds whose neighbours are tried; of more, these many, evenly spread."""
_SUM = 1e-3
"""How far the sum of probabilities may be from 1."""


@dataclass(frozen=True, eq=False)
class Outputs:
    """What the graph says."""

    binding: OutputBinding
    decision: Decision
    label: str | None
    """Its own label, as the output of that name has it."""
    told: tuple[str, ...]
    guessed: frozenset[str] = frozenset()
    """Keys of the spec that nobody knows but a person."""


class Runs:
    """The outputs of a graph for rows of the sample."""

    def __init__(self, model: ModelProto, encoding: Encoding) -> None:
        self.model = onnx.ModelProto()
        self.model.CopyFrom(model)
        self.classes = class_labels(model)
        remove_zipmaps(self.model)
        self._features = encoding.features
        self._encoding = encoding.bind(tensor_inputs(model))
        self._session = open_session(self.model, Guard())
        self._batch = fixed_batch(self._encoding)

    def output(self, name: str, rows: Rows) -> npt.NDArray[Any]:
        """One output for ``rows``, ``(n, …)``."""
        size, parts = self._batch or len(rows), []
        for at in range(0, len(rows), size):
            part = rows[at : at + size]
            lacking = size - len(part)
            padded = np.concatenate([part, np.repeat(part[-1:], lacking, axis=0)])
            raw = self._session.run([name], self._encoding.feeds(padded))[0]
            if raw.size == size:  # one a row, whatever axes of one it has
                raw = raw.reshape(size, 1)
            if raw.ndim == 0 or len(raw) != size:
                raise GraphError(
                    f"output {name!r} has shape {list(np.shape(raw))} for {size} rows: it is not "
                    f"one line a row"
                )
            parts.append(raw[: len(part)])
        return np.concatenate(parts)

    def scores(self, name: str, rows: Rows) -> Scores:
        return finite(as_matrix(self.output(name, rows), len(rows), name), rows)

    def beside_thresholds(self, rows: Rows) -> Rows:
        """``rows``, in each of which a number is at the threshold of a tree, or next to it."""
        found = feature_thresholds(self.model, self._encoding.columns)
        numbers = {
            j: values
            for j, values in found.items()
            if (e := self._features[j]).form is Form.NUMBER and not e.whole
        }
        step = max(-(-sum(map(len, numbers.values())) // MOST_THRESHOLDS), 1)
        some = {j: np.asarray(v[::step], dtype=np.float32) for j, v in numbers.items()}
        return threshold_neighbours(rows, some, np.random.default_rng(0))

    def label_beside(self, score: str, rows: Rows) -> str | None:
        """The first output that could be the class that the score decides; None: there is none."""
        beside = [o.name for o in self.model.graph.output if o.name != score and is_label(o)]
        # Positions of leaves are whole numbers, too, and several a row.
        return next((name for name in beside if self.output(name, rows[:1]).size == 1), None)

    def labels(self, name: str, rows: Rows) -> list[str]:
        """What the graph's own label says, as the name of a class."""
        return [name_of(v) for v in self.output(name, rows).reshape(len(rows)).tolist()]


def read_outputs(
    runs: Runs, rows: Rows, given: list[str] | None, beside: Rows, beyond: Rows, ask: Asker
) -> Outputs:
    """What of the outputs is the score, and how it decides.

    Parameters
    ----------
    given : list of str, optional
        Labels of the rows that came with them.
    beside : ndarray, shape (n, n_features)
        Rows beside the thresholds of trees, where a score may be exactly a limit.
    beyond : ndarray, shape (n, n_features)
        Rows anywhere within bounds, where a score may turn out to be no probability.

    Raises
    ------
    GraphError
        If no output is a score, or the graph's own label is not what the score decides.
    """
    name = _score(runs.model, ask)
    label = runs.label_beside(name, rows)
    scores = runs.scores(name, rows)
    own = runs.labels(label, rows) if label is not None else None
    said = own if own is not None else given
    tried, verdicts = scores, said
    if label is not None and len(beside):
        tried = np.concatenate([scores, runs.scores(name, beside)])
        verdicts = [*(own or []), *runs.labels(label, beside)]
    # A label in place of a score is sure of everything, and no probability.
    between = _between(runs, name)
    are_shares = between is None and _are_shares(np.concatenate([tried, runs.scores(name, beyond)]))
    decision, column, told, guessed = _decided(
        runs.classes, name, scores, (tried, verdicts), said, ask,
        are_shares=are_shares, is_strict=own is not None, is_likely=_is_likely(runs.model, name),
        between=between,
    )  # fmt: skip
    decision, wanted = _desired(decision, scores, column, ask)
    return Outputs(
        OutputBinding(name if len(runs.model.graph.output) > 1 else None, column),
        decision,
        label,
        (_pair(name, label), told),
        frozenset((*guessed, *wanted)),
    )


def read_scores(
    scores: Scores, names: Sequence[str] | None, ask: Asker
) -> tuple[Decision, int | None, str]:
    """What scores decide of which nothing else is known, which column of them counts (None: all),
    and how that is said.

    Parameters
    ----------
    scores : ndarray, shape (n, n_columns)
    names : sequence of str, optional
        Of the classes.

    Raises
    ------
    DataError
        If there are more or fewer names than classes.
    """
    n = max(scores.shape[1], 2)
    if names is not None and len(names) != n:
        raise DataError("classes", f"are {', '.join(names)}, but there are {n} scores")
    decision, column, told, _ = _decided(
        lambda _: None if names is None else tuple(names), "the score", scores, (scores, None),
        None, ask, are_shares=_are_shares(scores), is_strict=False, is_likely=True,
    )  # fmt: skip
    return decision, column, told


def _pair(name: str, label: str | None) -> str:
    return f"score: output {name!r}; label: {'none' if label is None else f'output {label!r}'}"


def _score(model: ModelProto, ask: Asker) -> str:
    found = score_candidates(model)
    if not found:
        listed = ", ".join(repr(o.name) for o in model.graph.output)
        raise GraphError(f"none of the outputs {listed} holds scores")
    if len(found) == 1:
        return found[0]
    likely = [name for name in found if any(part in name.lower() for part in _TOLD)]
    guess = likely[0] if likely else found[0]
    answer = ask(Question("output", "which output is the score?", guess, tuple(found)))
    return answer


_Found = tuple[Decision, "int | None", str, tuple[str, ...]]


def _decided(
    declared: Callable[[int], tuple[str, ...] | None],
    name: str,
    scores: Scores,
    tried: tuple[Scores, list[str] | None],
    said: list[str] | None,
    ask: Asker,
    *,
    are_shares: bool,
    is_strict: bool,
    is_likely: bool,
    between: float | None = None,
) -> _Found:
    width = scores.shape[1]
    classes = _classes(declared(max(width, 2)), width, said)
    if classes is None and width == 1 and are_shares:
        classes = _two_or_none(name, ask, is_likely=is_likely)
    if classes is None and width > 1:
        if are_shares:
            classes = tuple(str(k) for k in range(width))
        else:
            return _of_columns(name, scores, ask)
    if classes is None:
        return _value(scores[:, 0], None, ask)
    if width > 2 or (width == 2 and not are_shares):
        decision = Decision(Task.MULTICLASS, _categories(classes))
        # Of two margins, some exporters write the label's as the smaller one.
        if width > 2 or not is_strict or not _disagreeing(decision, tried):
            _agrees(decision, tried, is_strict)
            return decision, None, f"classes {', '.join(classes)}: the largest score decides", ()
    column = width - 1
    return _two(
        classes, (tried[0][:, column], tried[1]), None if width == 1 else column,
        are_shares=are_shares, is_strict=is_strict, between=between,
    )  # fmt: skip


def _between(runs: Runs, name: str) -> float | None:
    """A limit between two classes whose numbers the output itself gives; None: it gives scores."""
    (output,) = (o for o in runs.model.graph.output if o.name == name)
    names = runs.classes(2)
    if not is_label(output) or names is None:
        return None
    first, second = (_number_first(each)[0] for each in names)
    return (first + second) / 2 if math.isfinite(first + second) else None


def _are_shares(scores: Scores) -> bool:
    """Whether each row is probabilities of classes, or one of a class."""
    inside = bool((scores >= -_SUM).all() and (scores <= 1 + _SUM).all())
    return inside and (scores.shape[1] == 1 or bool((abs(scores.sum(axis=1) - 1) <= _SUM).all()))


def _classes(
    declared: tuple[str, ...] | None, width: int, said: list[str] | None
) -> tuple[str, ...] | None:
    """Names of the classes; None where nothing says that there are any."""
    n = max(width, 2)
    if declared is not None:
        return declared
    if said is None:
        return None
    seen = sorted(set(said), key=_number_first)
    if len(seen) == n:
        return tuple(seen)
    # A class that no row of the sample has still has a column.
    numbers = [str(k) for k in range(n)]
    return tuple(numbers) if set(seen) <= set(numbers) else None


def _number_first(name: str) -> tuple[float, str]:
    try:
        return float(name), ""
    except ValueError:
        return math.inf, name


def _is_likely(model: ModelProto, name: str) -> bool:
    """Whether the output looks like a probability."""
    last = next((n.op_type for n in reversed(model.graph.node) if name in n.output), "")
    return last in ("Sigmoid", "Softmax") or any(part in name.lower() for part in _TOLD)


def _two_or_none(name: str, ask: Asker, *, is_likely: bool) -> tuple[str, ...] | None:
    answer = ask(
        Question(
            "score",
            f"output {name!r} lies between 0 and 1: is it the probability of the second of two "
            f"classes, or a value?",
            "probability" if is_likely else "value",
            ("probability", "value"),
        )
    )
    return ("0", "1") if answer == "probability" else None


def _of_columns(name: str, scores: Scores, ask: Asker) -> _Found:
    width = scores.shape[1]
    answer = ask(
        Question(
            "column",
            f"output {name!r} has {width} columns that are no probabilities: are they scores of "
            f"classes, the largest of which decides, or which is the value to be explained?",
            "classes" if any(p in name.lower() for p in ("logit", "class", "label")) else "0",
            ("classes", *(str(k) for k in range(width))),
        )
    )
    if answer == "classes":
        names = tuple(str(k) for k in range(width))
        told = f"classes {', '.join(names)}: the largest score decides"
        return Decision(Task.MULTICLASS, _categories(names)), None, told, ("decision.classes",)
    return _value(scores[:, int(answer)], int(answer), ask)


def _value(values: npt.NDArray[np.float64], column: int | None, ask: Asker) -> _Found:
    low, high = float(values.min()), float(values.max())
    told = f"its score is a value, {low:g} to {high:g} in the sample"
    answer = ask(
        Question(
            "limit",
            f"the score is a value, {low:g} to {high:g}: which values are wanted, as '<=30' or "
            f"'>=30', or '{NONE}' if requests say so themselves?",
            NONE,
        )
    )
    if answer == NONE:
        return Decision(Task.REGRESSION), column, f"{told}; no limit decides", ()
    try:
        limit = float(answer.removeprefix("<=").removeprefix(">="))
        if answer[:2] not in ("<=", ">=") or not math.isfinite(limit):
            raise ValueError
    except ValueError:
        raise DataError("limit", f"is {answer!r}, not as '<=30', '>=30' or '{NONE}'") from None
    wanted = 0 if answer.startswith("<=") else 1
    # What is wanted includes the limit; the class from a limit on does as well.
    limit = float(np.nextafter(limit, math.inf)) if wanted == 0 else limit
    decision = Decision(Task.REGRESSION, _categories(("below", "above")), 1, limit, desired=wanted)
    return decision, column, f"{told}; wanted: {answer}", ()


def _two(
    classes: tuple[str, ...],
    tried: tuple[npt.NDArray[np.float64], list[str] | None],
    column: int | None,
    *,
    are_shares: bool,
    is_strict: bool,
    between: float | None,
) -> _Found:
    values, labels = tried
    usual = between if between is not None else 0.5 if are_shares else 0.0
    task = Task.BINARY if are_shares else Task.REGRESSION
    limit, positive = usual, 1
    if labels is not None:
        is_second = np.array([label == classes[1] for label in labels])
        found = separating(values, is_second, usual)
        upside = found is None
        if found is None and (column is None or not are_shares):
            # Of a margin, or of one column, nothing says which class it is about.
            found = separating(values, ~is_second, usual)
            positive = 0 if found is not None else 1
        if found is None and is_strict:
            raise GraphError(
                f"the graph's label is not what its score decides: no limit separates "
                f"{classes[1]} from {classes[0]}"
            )
        if found is not None:
            limit = found
        elif upside and not are_shares:
            limit = _best(values, is_second)
    what = "the probability" if are_shares else "a score, which is no probability,"
    told = f"{what} of {classes[positive]}, against {classes[1 - positive]}: from {limit!r} on"
    decision = Decision(task, _categories(classes), positive, limit)
    # Any other limit between two scores of the sample meets its labels as well.
    is_known = labels is not None and is_strict and limit in _usual(usual)
    return decision, column, told, () if is_known else ("decision.threshold",)


def separating(
    values: npt.NDArray[np.float64], above: npt.NDArray[np.bool_], usual: float
) -> float | None:
    """A limit from which on (it included) all values are ``above``, and no others; the usual one
    or the float32 after it if they are.

    >>> separating(np.array([0.2, 0.5, 0.7]), np.array([False, False, True]), 0.5)
    0.5000000596046448
    """
    highest = float(values[~above].max(initial=-math.inf))
    lowest = float(values[above].min(initial=math.inf))
    if not highest < lowest:
        return None
    for limit in _usual(usual):
        if highest < limit <= lowest:
            return limit
    if math.isinf(highest) or math.isinf(lowest):
        return lowest if math.isfinite(lowest) else float(np.nextafter(highest, math.inf))
    return _short(highest, lowest)


def _usual(limit: float) -> tuple[float, float]:
    """The limit, and the float32 after it: scores that are exactly the limit fall on one side."""
    return limit, float(np.nextafter(np.float32(limit), np.float32(math.inf)))


def _short(low: float, high: float) -> float:
    """The number of fewest digits between the two, beyond ``low``."""
    for digits in range(1, 17):
        number = float(f"{(low + high) / 2:.{digits}g}")
        if low < number <= high:
            return number
    return high


def _best(values: npt.NDArray[np.float64], above: npt.NDArray[np.bool_]) -> float:
    """The limit by which most labels are met."""
    order = np.argsort(values, kind="stable")
    right = np.cumsum(~above[order]) + (above.sum() - np.cumsum(above[order]))
    return float(values[order][min(int(np.argmax(right)) + 1, len(values) - 1)])


def _disagreeing(decision: Decision, tried: tuple[Scores, list[str] | None]) -> int:
    scores, labels = tried
    return 0 if labels is None else len(differing(decision, scores, labels))


def _agrees(decision: Decision, tried: tuple[Scores, list[str] | None], is_strict: bool) -> None:
    wrong = _disagreeing(decision, tried) if is_strict else 0
    if wrong:
        raise GraphError(
            f"the graph's label is not its largest score in {wrong} of {len(tried[0])} rows"
        )


def differing(decision: Decision, scores: Scores, labels: Sequence[str]) -> npt.NDArray[np.intp]:
    """Rows that are labelled otherwise than they are decided."""
    names = np.array(decision.class_names)
    return np.flatnonzero(names[decision.decide(scores)] != np.array(labels))


def _categories(names: Sequence[str]) -> tuple[Category, ...]:
    return tuple(map(Category, names))


def _desired(
    decision: Decision, scores: Scores, column: int | None, ask: Asker
) -> tuple[Decision, tuple[str, ...]]:
    """The decision that people want, which explanations aim at."""
    if not decision.classes or decision.desired is not None:
        return decision, ()
    names = decision.class_names
    good = [name for name in names if name.lower() in _GOOD]
    picked = scores if decision.task is Task.MULTICLASS else scores[:, [column or 0]]
    if decision.task is not Task.MULTICLASS and column is None:
        picked = scores[:, -1:]
    counts = np.bincount(decision.decide(picked), minlength=len(names))
    guess = good[0] if len(good) == 1 else names[int(np.argmax(counts))]
    answer = ask(
        Question(
            "desired",
            "which decision do people want, so that the others are explained?",
            guess,
            names,
        )
    )
    return replace(decision, desired=names.index(answer)), ("decision.desired",)
