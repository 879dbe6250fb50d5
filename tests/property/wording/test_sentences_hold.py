"""What every sentence keeps to, whatever the plant and the answer."""

from __future__ import annotations

import math
import re
from decimal import Decimal

from hypothesis import given, settings
from hypothesis import strategies as st

from ifonly.explainers.answer import (
    Action,
    AlreadyTarget,
    Answer,
    Counterfactual,
    Effect,
    Infeasible,
    Prediction,
    Recourse,
    Unknown,
    Work,
)
from ifonly.explainers.constraints import (
    Comparison,
    Constraint,
    Direction,
    MaxChange,
    Range,
    Relation,
    Sense,
)
from ifonly.explainers.constraints import Rule as LinearRule
from ifonly.explainers.space import Grid
from ifonly.explainers.target import Target
from ifonly.explainers.wording import LANGUAGES, Grounds, Wording
from ifonly.explainers.wording.conventions import conventions
from ifonly.explainers.wording.gauges import Gauge
from ifonly.explainers.wording.numerals import decimal, write
from ifonly.explainers.wording.sums import inequality
from ifonly.models.schema import Category, Decision, Feature, Kind, Schema, Task
from tests.support.spoken import spoken
from tests.unit.wording.plant import declared

LABELS = st.sampled_from(
    [
        "토크",
        "압력",
        "유량",
        "회전 속도",
        "공구 마모",
        "사이클 시간",
        "O₂ 농도",
        "NOx",
        "PLC 값",
        "밸브 (주)",
    ]
)
ENGLISH = st.sampled_from(
    ["torque", "pressure", "flow", "rotational speed", "tool wear", "NOx", "gap"]
)
UNITS = st.sampled_from(
    ["", "Nm", "K", "°C", "%", "min", "rpm", "mg/m³", "$", "pH", "barg", "mm", "ea"]
)
RESOLUTIONS = st.sampled_from(["0.001", "0.01", "0.1", "0.5", "1", "5", "10"])


@st.composite
def features(draw: st.DrawFn, position: int) -> Feature:
    labels = {"ko": draw(LABELS), "en": draw(ENGLISH)}
    name = f"feature_{position}"
    if draw(st.booleans()) and draw(st.booleans()):
        names = draw(st.permutations(["L", "M", "H", "양호", "red"]))
        return Feature(name, Kind.ORDINAL, categories=tuple(map(Category, names)), labels=labels)
    return Feature(
        name,
        Kind.CONTINUOUS,
        draw(UNITS),
        resolution=Decimal(draw(RESOLUTIONS)),
        may_be_missing=True,
        labels=labels,
    )


@st.composite
def values(draw: st.DrawFn, feature: Feature) -> float:
    """One settable value."""
    if feature.kind.is_categorical:
        return float(draw(st.integers(0, len(feature.categories) - 1)))
    assert feature.resolution is not None
    grid = Grid.of(feature.resolution)
    multiple = draw(st.integers(-100_000, 100_000))
    return float(multiple * grid.numerator / 10**grid.power)


DECISIONS = st.sampled_from(
    [
        Decision(
            Task.BINARY,
            (Category("normal", {"ko": "정상"}), Category("failure", {"ko": "고장"})),
            1,
            0.42,
            desired=0,
            phrases=phrases,
        )
        for phrases in (
            {},
            {"alarm": {"en": "the alarm", "ko": "경보"}},
            {"failure": {"en": "the line been stopped", "ko": "라인을 정지"}},
        )
    ]
)


@st.composite
def plants(draw: st.DrawFn) -> tuple[Wording, Schema, Decision]:
    schema = Schema(tuple(draw(features(j)) for j in range(draw(st.integers(1, 4)))))
    decision = draw(DECISIONS)
    return Wording(schema, decision, {}, grounds=draw(st.sampled_from(Grounds))), schema, decision


@st.composite
def actions(draw: st.DrawFn, schema: Schema) -> tuple[Action, ...]:
    columns = draw(st.sets(st.integers(0, len(schema) - 1), min_size=1))
    made = []
    for column in sorted(columns):
        feature = schema.features[column]
        before, after = draw(
            st.tuples(values(feature), values(feature)).filter(lambda pair: pair[0] != pair[1])
        )
        if feature.may_be_missing and draw(st.integers(0, 9)) == 0:
            before = math.nan
        made.append(Action(column, before, after))
    return tuple(made)


@st.composite
def answers(draw: st.DrawFn, schema: Schema) -> Answer:
    work = Work("trees", draw(st.integers(0, 10**7)), 3, draw(st.booleans()))
    share = st.floats(0.0, 1.0, width=32)
    prediction = Prediction((draw(share),), 0)
    best = draw(st.one_of(st.none(), st.builds(lambda p: Prediction((p,), 1), share)))
    kind = draw(st.integers(0, 3))
    if kind == 0:
        return AlreadyTarget(prediction, work)
    if kind == 1:
        return Unknown(prediction, work, best)
    if kind == 2:
        blocked: list[Constraint] = []
        for column, feature in enumerate(schema.features):
            ends = sorted((draw(values(feature)), draw(values(feature))))
            blocked += [
                Direction(column, draw(st.sampled_from(Sense)), origin=declared()),
                Range(column, *ends, origin=declared()),
                MaxChange(column, 1.5, origin=declared()),
            ]
        return Infeasible(prediction, tuple(blocked), work, best)
    effects: tuple[Effect, ...] = ()
    if draw(st.booleans()) and not schema.features[0].kind.is_categorical:
        moved = draw(st.floats(-1e6, 1e6, allow_nan=False))
        effects = (Effect(0, 1.5, moved),)
    bound = draw(st.one_of(st.none(), st.floats(0.0, 1.0)))
    one = Counterfactual((), draw(actions(schema)), 1.0, prediction, bound, effects)
    return Recourse(prediction, (one,), work)


@settings(deadline=None)
@given(st.data())
def test_every_sentence_is_whole_and_clean(data: st.DataObject):
    words, schema, decision = data.draw(plants())
    answer = data.draw(answers(schema))
    target = data.draw(
        st.sampled_from(
            [None, Target(decision, 0), Target(decision, 0, 0.6), Target(decision, None, upper=0.2)]
        )
    )
    for language in LANGUAGES:
        sentence = words.sentence(answer, language, target=target)
        assert sentence.endswith(spoken(language).END)
        assert not re.search(r"nan|None|  |\s[,.;:]|\(\)|\n|-0(?![.\d])|,,|\.\.", sentence), (
            sentence
        )
        assert not re.search(r"\d[.]\d{10}|e[+-]\d", sentence), sentence
        assert "이(가)" not in sentence
        if language == "en":
            assert sentence[0].isupper() or sentence[0] in "'$"
        if isinstance(answer, Recourse):
            for action in answer.counterfactuals[0].actions:
                assert words.label(action.column, language) in sentence


@settings(deadline=None)
@given(st.data())
def test_a_change_is_exactly_the_difference_of_its_decimals(data: st.DataObject):
    words, schema, _ = data.draw(plants())
    for action in data.draw(actions(schema)):
        feature = schema.features[action.column]
        if feature.kind.is_categorical or math.isnan(action.factual):
            continue
        exact = abs(Decimal(str(action.counterfactual)) - Decimal(str(action.factual)))
        for language in LANGUAGES:
            said = words.change(action, language)
            number = re.search(r"[\d,]+(?:\.\d+)?", said)
            assert number is not None
            assert Decimal(number[0].replace(",", "")) == exact
            assert conventions(language).about not in said


@settings(deadline=None)
@given(st.data())
def test_the_direction_of_a_change_is_said(data: st.DataObject):
    words, schema, _ = data.draw(plants())
    for action in data.draw(actions(schema)):
        if schema.features[action.column].kind.is_categorical or math.isnan(action.factual):
            continue
        rises = action.counterfactual > action.factual
        for language in LANGUAGES:
            fitting = spoken(language).HIGHER if rises else spoken(language).LOWER
            assert words.change(action, language).endswith(fitting)


@settings(deadline=None)
@given(st.floats(allow_nan=False, allow_infinity=False))
def test_written_digits_are_all_the_digits(number: float):
    text = write(decimal(number))
    if "×10" not in text:
        assert float(text.replace(",", "")) == number


@settings(deadline=None)
@given(st.data())
def test_a_rule_as_it_is_said_is_true_of_the_same_rows(data: st.DataObject):
    weights = st.integers(-4, 4).map(float) | st.sampled_from([0.5, -0.5, 1.1, -1.1, 0.3])
    terms = st.lists(st.tuples(st.integers(0, 2), weights), max_size=3, unique_by=lambda t: t[0])
    rule = Comparison(
        tuple(data.draw(terms)),
        tuple(data.draw(terms)),
        data.draw(st.integers(-50, 50)) / 2,
        data.draw(st.sampled_from(Relation)),
    )
    gauges = [Gauge.of(Feature(f"x{j}", Kind.CONTINUOUS, "K")) for j in range(3)]
    said = inequality(rule, gauges)
    row = [Decimal(data.draw(st.integers(-20, 20))) for _ in range(3)]
    factual = [Decimal(data.draw(st.integers(-20, 20))) for _ in range(3)]

    declared_total = decimal(rule.constant)
    declared_total += sum((decimal(w) * row[j] for j, w in rule.now), Decimal(0))
    declared_total += sum((decimal(w) * factual[j] for j, w in rule.before), Decimal(0))
    left, right = (
        sum((t.weight * (factual if t.of_factual else row)[t.column] for t in side), Decimal(0))
        for side in (said.left, said.right)
    )
    assert _true(said.relation, left - right - said.constant) == _true(
        rule.relation, declared_total
    )


@settings(deadline=None)
@given(st.data())
def test_a_rule_has_words_in_both_languages(data: st.DataObject):
    words, schema, _ = data.draw(plants())
    columns = st.integers(0, len(schema) - 1)
    weights = st.sampled_from([1.0, -1.0, 2.0, 1.1, -0.3])
    now = tuple(data.draw(st.lists(st.tuples(columns, weights), min_size=1, max_size=3)))
    before = tuple(data.draw(st.lists(st.tuples(columns, weights), max_size=2)))
    rule = LinearRule(
        "as declared",
        (Comparison(now, before, data.draw(st.sampled_from([0.0, -7.0, 2.5])), Relation.LE),),
        origin=declared(),
    )
    for language in LANGUAGES:
        said = words.constraint(rule, language)
        assert not re.search(r"nan|  |이\(가\)|\n", said), said
        assert words.label(now[0][0], language) in said


def _true(relation: Relation, total: Decimal) -> bool:
    return {
        Relation.LE: total <= 0,
        Relation.LT: total < 0,
        Relation.GE: total >= 0,
        Relation.GT: total > 0,
        Relation.EQ: total == 0,
        Relation.NE: total != 0,
    }[relation]
