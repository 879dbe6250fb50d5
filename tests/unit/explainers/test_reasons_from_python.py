"""``ifonly.reasons``: estimators, functions and folders, without a service."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import numpy as np
import pytest

import ifonly
from ifonly.explainers.deadline import Deadline
from ifonly.explainers.errors import InvalidPolicy, InvalidTarget
from ifonly.explainers.policy import Policy
from ifonly.explainers.reason import ReasonStatus
from ifonly.explainers.reasons.ask import ReasonQuestion, reasons
from ifonly.explainers.reasons.readable import readable_schema
from ifonly.explainers.search import contradiction
from ifonly.models.errors import InvalidInstance
from ifonly.models.predictor import Rows, Scores
from ifonly.models.schema import Category, Decision, Feature, Kind, Schema, Task
from tests.support.claiming import Claiming

DATA = {"torque": [20.0, 65.5, 41.2], "wear": [0, 200, 90]}
ALARM = Decision(Task.BINARY, (Category("normal"), Category("alarm")), 1, 0.5, desired=0)
SIGNAL = Feature("signal", Kind.CONTINUOUS, "V", -1.0, 1.0)


def hot(rows: Rows) -> Any:
    return (rows[:, 0] > 50.0).astype(float)


class Sum:
    """An alarm above 1, of two readings; counts rows."""

    def score(self, rows: Rows) -> Scores:
        return np.asarray((rows.sum(axis=1, keepdims=True) > 1.0).astype(np.float64))


def question(*features: Feature, row: list[float], **table: Any) -> ReasonQuestion:
    policy = Policy.read(table, Schema(features), ALARM)
    return ReasonQuestion(policy, np.array(row))


def test_one_reading_forces_the_alarm_of_a_function() -> None:
    found = ifonly.reasons(hot, {"torque": 60.2, "wear": 10}, DATA)
    assert (found.status, found.complete, found.at_least) == ("smallest", True, 1)
    assert dict(found[0].values) == {"torque": 60.2}
    witness = found[0].witnesses["torque"]
    assert hot(np.array([[witness["torque"], witness["wear"]]]))[0] == 0.0
    assert "The torque of 60.2 alone forces this" in str(found)
    assert [each.feature for each in found.principal] == ["torque"]
    assert len(found.to_pandas()) == 1


def test_where_nothing_turns_the_decision_no_reading_matters() -> None:
    whole = {"torque": [20, 65, 41], "wear": [0, 200, 90]}
    found = ifonly.reasons(lambda rows: np.ones(len(rows)), {"torque": 30, "wear": 1}, whole)
    assert (found.status, dict(found[0].values), found.principal) == ("smallest", {}, ())
    assert "no reading matters" in found.sentence


def test_what_cannot_be_asked_is_told() -> None:
    with pytest.raises(InvalidPolicy, match="sets: is 0"):
        ifonly.reasons(hot, {"torque": 60.2, "wear": 10}, DATA, sets=0)
    value = Decision(Task.REGRESSION, unit="h")
    policy = Policy.read({}, Schema((SIGNAL,)), value)
    with pytest.raises(InvalidTarget, match="no limit that decides"):
        reasons(ReasonQuestion(policy, np.array([0.5])), Sum())
    endless = Feature("load", Kind.CONTINUOUS, "N")
    with pytest.raises(InvalidInstance, match=r"load has no bounds \(-inf to inf N\)"):
        question(endless, row=[1.0])


def test_a_feature_that_nobody_can_set_may_read_anything_all_the_same() -> None:
    other = Feature("other", Kind.CONTINUOUS, "V", 0.0, 1.0, Decimal("0.5"))
    asked = question(SIGNAL, other, row=[0.75, 1.0])
    # Frozen by its policy, for it has no resolution: that says nothing of what is read.
    found = reasons(asked, Sum())
    assert [r.columns for r in found.reasons] == [(0, 1)]
    assert found.readings[0].is_derived
    assert Decimal(str(found.readings[0].step)) == Decimal("0.001")
    assert readable_schema(asked.readable) is asked.readable


def test_rules_that_the_instance_breaks_are_set_aside() -> None:
    a = Feature("a", Kind.CONTINUOUS, "V", 0.0, 1.0, Decimal("0.25"))
    b = Feature("b", Kind.CONTINUOUS, "V", 0.0, 1.0, Decimal("0.25"))
    rules = [{"rule": "a <= 0.5"}, {"rule": "b >= 0.5"}, {"rule": "if a changes then b == 1"}]
    found = reasons(question(a, b, row=[0.75, 0.5], rules=rules), Sum())
    assert (found.rules, found.set_aside) == (("policy.rules.1",), ("policy.rules.0",))
    # b is 0.5 at least whatever is read, so that a alone is enough.
    assert [r.columns for r in found.reasons] == [(0,)]


def test_a_missing_reading_may_be_what_forces_it() -> None:
    flow = Feature("flow", Kind.CONTINUOUS, "l/s", 0.0, 1.0, Decimal("0.5"), may_be_missing=True)
    lost = Decision(Task.BINARY, (Category("normal"), Category("alarm")), 1, 0.5, desired=0)

    class IsMissing:
        def score(self, rows: Rows) -> Scores:
            return np.asarray(np.isnan(rows).astype(np.float64))

    asked = ReasonQuestion(Policy.read({}, Schema((flow,)), lost), np.array([np.nan]))
    found = reasons(asked, IsMissing())
    assert [r.columns for r in found.reasons] == [(0,)]
    assert found.reasons[0].status is ReasonStatus.SMALLEST


def test_cut_at_once_nothing_is_claimed() -> None:
    signal = Feature("x", Kind.CONTINUOUS, "V", -1.0, 1.0, Decimal("0.0001"))
    asked = question(signal, signal_named("y"), row=[0.75, 1.0])
    found = reasons(asked, Sum(), deadline=Deadline.after(0.0))
    assert (found.status, found.reasons, found.at_least) == (ReasonStatus.UNKNOWN, (), 0)
    assert found.work.deadline_hit
    assert not found.is_complete


def signal_named(name: str) -> Feature:
    return Feature(name, Kind.CONTINUOUS, "V", -1.0, 1.0, Decimal("0.0001"))


@pytest.mark.parametrize("guesses", [0, contradiction.GUESSES])
def test_an_engine_that_errs_is_contradicted_by_rows(
    monkeypatch: pytest.MonkeyPatch, guesses: int
) -> None:
    """It says of every set that it is sufficient; the checker's rows say otherwise. Where rows are
    guessed at first, it is hardly asked."""
    monkeypatch.setattr(contradiction, "GUESSES", guesses)
    a = Feature("a", Kind.CONTINUOUS, "V", 0.0, 1.0, Decimal("0.25"))
    asked = question(a, Feature("b", Kind.INTEGER, "", 0, 1, Decimal(1)), row=[1.0, 1.0])
    found = reasons(asked, Sum(), engine=Claiming(bound=np.inf))
    if guesses:
        assert [r.columns for r in found.reasons] == [(0, 1)]
        return
    assert found.reasons == ()
    assert (found.at_least, found.is_complete) == (0, False)
    assert "the model decides" in found.work.rejected[0]
