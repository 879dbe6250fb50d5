"""``ifonly.reasons``: which readings alone force a decision."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from ifonly.asking import SECONDS, Folder, Made, folder_of, served_folder
from ifonly.change import Value
from ifonly.explainers.deadline import Deadline
from ifonly.explainers.policy import Policy
from ifonly.explainers.reason import Reasons
from ifonly.explainers.reasons.ask import PRINCIPAL, ReasonQuestion
from ifonly.explainers.reasons.ask import reasons as searched
from ifonly.explainers.search.blackbox import Blackbox
from ifonly.explainers.search.engine import Engine
from ifonly.explainers.search.portfolio import engines_for
from ifonly.explainers.wording import Wording
from ifonly.models.errors import DataError
from ifonly.models.predictor import Predictor, Row
from ifonly.models.schema import Schema
from ifonly.policies import policy_of
from ifonly.scoring import scored

if TYPE_CHECKING:
    import pandas


@dataclass(frozen=True)
class ForcingReadings:
    """Features whose readings alone force the decision."""

    values: Mapping[str, Value]
    """As they were read; none: whatever is read, the decision is the same."""
    status: str
    """``smallest``: no fewer readings force it; ``minimal``: none can be left out; ``sufficient``.
    All proven."""
    witnesses: Mapping[str, Mapping[str, Value]]
    """Of each feature a row that shows that it is needed: the others as they were read, and the
    decision is another."""
    sentence: str

    def __str__(self) -> str:
        return self.sentence


@dataclass(frozen=True)
class MainReading:
    """One of the features that count most."""

    feature: str
    value: Value
    share: float
    """Of the sets that were found, those that it is in."""
    alone: bool
    """Whether the decision can turn with no other reading changed."""
    distance: float
    """From the median of the data, in median absolute deviations or the policy's scales."""
    sentence: str

    def __str__(self) -> str:
        return self.sentence


@dataclass(frozen=True, eq=False)
class DecisionReasons(Sequence[ForcingReadings]):
    """Sets of readings that alone force the decision, the fewest features first."""

    status: str
    """Of the first; ``unknown``: it could not be told."""
    sentence: str
    sets: tuple[ForcingReadings, ...]
    principal: tuple[MainReading, ...]
    complete: bool
    """Whether these are all minimal sets: proven."""
    at_least: int
    """No set of fewer features is sufficient: proven."""
    answer: Reasons

    def __len__(self) -> int:
        return len(self.sets)

    def __getitem__(self, index: Any) -> Any:
        return self.sets[index]

    def __str__(self) -> str:
        return self.sentence

    def to_pandas(self) -> pandas.DataFrame:
        """A line a principal reason."""
        import pandas

        columns = ("feature", "value", "share", "alone", "distance")
        found = [[getattr(each, name) for name in columns] for each in self.principal]
        return pandas.DataFrame(found, columns=list(columns))


def reasons(
    model: Any,
    row: Any,
    data: Any = None,
    policy: Mapping[str, Any] | None = None,
    *,
    sets: int = 3,
    principal: int = PRINCIPAL,
    threshold: float | None = None,
    classes: Sequence[str] | None = None,
    language: str = "en",
    seconds: float | None = SECONDS,
    seed: int = 0,
) -> DecisionReasons:
    """The readings of ``row`` that alone force the model's decision, whatever the others are.

    Parameters
    ----------
    model, data, policy, threshold, classes, language, seconds, seed
        As of :func:`ifonly.explain`. Of the policy its ``rules`` about rows count, and its scales.
    row
        One instance.
    sets : int
        How many sets are told at most, 1 to 20; all of them are: ``complete``.
    principal : int
        How many features are ranked at most, 1 to 10.

    Raises
    ------
    InvalidPolicy
        If ``sets`` or ``principal`` is out of bounds.
    InvalidTarget
        If the model decides nothing.
    NotAModel, DataError, InvalidInstance, GraphError
        As :func:`ifonly.explain`.

    Examples
    --------
    >>> data = {"torque": [20.0, 65.5, 41.2], "wear": [0, 200, 90]}
    >>> alarm = lambda rows: (rows[:, 0] > 50.0).astype(float)
    >>> reasons(alarm, {"torque": 60.2, "wear": 10}, data)[0].values
    {'torque': 60.2}
    """
    folder = folder_of(model)
    deadline = Deadline.never() if seconds is None else Deadline.after(seconds)
    if folder is not None:
        if data is not None or policy is not None or threshold is not None or classes is not None:
            raise TypeError("a model folder has its own data, policy, threshold and classes")
        served = served_folder(folder)
        one = _one(Folder(served, None, {}, 1, language, seconds, seed), row)
        question = ReasonQuestion(served.policy, one, sets, principal, seed)
        found = searched(
            question, served.deployed.predictor, engine=served.readable_engine, deadline=deadline
        )
        return _written(found, served.schema, one, served.wording, language)
    if data is None:
        raise DataError("data", "is missing: ranges, steps and categories are read from rows of it")
    made = scored(model, data, threshold, classes)
    made = replace(made, sample=made.sample.reaching(made.sample.unbounded.read(row)))
    asked = Made(made, policy_of(policy), None, {}, 1, language, seconds, seed)
    one = _one(asked, row)
    of = asked.question(one)
    question = ReasonQuestion(of.policy, one, sets, principal, seed)
    found = _of_made(asked, question, deadline)
    return _written(found, asked.sample.schema, one, of.writer.wording, language)


def _one(asked: Folder | Made, row: Any) -> Row:
    rows = asked.read(row)
    if len(rows) != 1:
        raise DataError("row", f"has {len(rows)} rows, not one")
    only: Row = rows[0]
    return only


def _of_made(asked: Made, question: ReasonQuestion, deadline: Deadline) -> Reasons:
    made, schema = asked.model, asked.sample.schema
    engine: Engine = asked.engine
    if question.readable is not schema:
        engine = engines_for(made.form, question.readable)
    found = searched(question, made.predictor, engine=engine, deadline=deadline)
    original = made.original
    if original is not None and not _confirmed(found, question.policy, original, question.factual):
        # Rows that the graph decides otherwise: the estimator is what was asked about.
        return searched(question, original, engine=Blackbox(), deadline=deadline)
    return found


def _confirmed(found: Reasons, policy: Policy, original: Predictor, factual: Row) -> bool:
    """Whether the estimator decides the row and each witness as the graph does."""
    witnesses = [w for reason in found.reasons for w in reason.witnesses]
    rows = np.array([factual, *(w.row for w in witnesses)])
    told = [found.prediction.decided, *(w.prediction.decided for w in witnesses)]
    return bool((policy.decision.decide(original.score(rows)) == told).all())


def _written(
    found: Reasons, schema: Schema, row: Row, wording: Wording, language: str
) -> DecisionReasons:
    features = schema.features

    def value(column: int) -> Value:
        return features[column].write(float(row[column]))

    return DecisionReasons(
        found.status.value,
        wording.reasons(found, row, language),
        tuple(
            ForcingReadings(
                {features[j].name: value(j) for j in each.columns},
                each.status.value,
                {
                    features[w.column].name: {
                        f.name: f.write(v) for f, v in zip(features, w.row, strict=True)
                    }
                    for w in each.witnesses
                },
                wording.reason(each, found, row, language),
            )
            for each in found.reasons
        ),
        tuple(
            MainReading(
                features[p.column].name,
                value(p.column),
                p.share,
                p.alone,
                p.distance,
                wording.principal_reason(p, found, row, language),
            )
            for p in found.principal
        ),
        found.is_complete,
        found.at_least,
        found,
    )
