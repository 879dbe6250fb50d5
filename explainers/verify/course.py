"""What a reply says of time, against the documents: when an answer has its whole effect, and what
is read and predicted until then."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from itertools import pairwise

import numpy as np

from ifonly.explainers.verify.goal import ScoreGoal
from ifonly.explainers.verify.limits import Limit
from ifonly.explainers.verify.passing import MOST_STEPS, SECONDS, Passing
from ifonly.explainers.verify.reading import Reading, near, written
from ifonly.explainers.verify.report import Check
from ifonly.explainers.verify.rulebook import Rulebook
from ifonly.explainers.verify.sections import Json, Section, refusing_other_json
from ifonly.explainers.verify.word import SCORED, predicted
from ifonly.models.predictor import Rows, Scores
from ifonly.models.schema import Decision, Schema

Score = Callable[[Rows], Scores]


def arrived(
    said: Json | None,
    passing: Passing | None,
    factual: Sequence[float],
    settings: Mapping[int, float],
    score: Score,
    goal: ScoreGoal,
) -> Iterator[Check]:
    """Check when an explanation's action has had its whole effect; ``said``: what the reply says,
    if it does."""
    times = None if passing is None else passing.times(factual, settings)
    ends = [] if times is None else [end for _, end in times.values()]
    whole = max((end for end in ends if end is not None), default=0)
    # Never, too late or without a number: nothing is said then.
    if passing is None or times is None or None in ends or whole > MOST_STEPS:
        if said is not None:
            yield Check("arrives", False, f"{dict(said)} told; the causal file does not say when")
        return
    if said is None:
        told = f"nothing told; all of it has arrived after {passing.at(whole)} {passing.unit}"
        yield Check("arrives", False, told)
        return
    fits = said["unit"] == passing.unit and said["after"] == passing.at(whole)
    told = f"{said['after']} {said['unit']} told, {passing.at(whole)} {passing.unit} are"
    yield Check("arrives", fits, told)
    rows = passing.rows(factual, settings, whole)
    scores = score(np.array([factual, *rows])).tolist()
    yield _wanted("in_target_from", said["in_target_from"], scores[1:], goal, passing)
    yield _changes(said["decision_changes"], scores, goal.decision)


def trajectory(
    said: Json,
    passing: Passing,
    schema: Schema,
    decision: Decision,
    factual: Sequence[float],
    settings: Mapping[int, float],
    score: Score,
    over: Json | None,
    limits: Sequence[Limit],
) -> Iterator[Check]:
    """Check what a what-if says of each step; ``over``: how long was asked for, if it is known;
    ``limits``: the policy's."""
    last = len(said["moments"]) - 1
    yield _asked(last, over, said, passing)
    times = passing.times(factual, settings)
    if times is None:
        yield Check("delays", False, "a delay that is needed has no number")
        return
    yield from _arrivals(said, passing, schema, times)
    rows = passing.rows(factual, settings, last)
    scores = score(np.array([factual, *rows])).tolist()
    for t, (moment, row) in enumerate(zip(said["moments"], rows, strict=True)):
        yield from _moment(t, moment, row, passing, schema, times)
        yield predicted(moment["prediction"], scores[t + 1], decision)
        yield _rules(moment, row, schema, factual, limits)
    goal = None if decision.desired is None else ScoreGoal(decision, decision.desired)
    if goal is None:
        told = f"{said['desired_from']} told, nothing is desired"
        yield Check("desired_from", said["desired_from"] is None, told)
    else:
        yield _wanted("desired_from", said["desired_from"], scores[1:], goal, passing)
    yield _changes(said["decision_changes"], scores, decision)


def _asked(last: int, over: Json | None, said: Json, passing: Passing) -> Check:
    fits = said["unit"] == passing.unit and said["step"] == passing.at(1)
    told = f"{last} steps of {said['step']} {said['unit']}"
    if over is not None:
        ((unit, amount),) = over.items()
        asked = amount * SECONDS[unit] / (SECONDS[passing.unit] * float(passing.amount))
        fits, told = fits and near(last, asked), f"{told}; {asked} are asked for"
    return Check("over", fits and 1 <= last <= MOST_STEPS, told)


def _arrivals(
    said: Json,
    passing: Passing,
    schema: Schema,
    times: Mapping[int, tuple[int, int | None]],
) -> Iterator[Check]:
    claimed = {a["feature"]: (a["begins"], a["arrives"]) for a in said["arrivals"]}
    own = {schema.names[j]: (passing.at(a), passing.at(b)) for j, (a, b) in times.items()}
    yield Check("arrivals", claimed == own, f"{claimed} told, {own} are")
    ends = [end for _, end in times.values()]
    whole = None if None in ends else max((end for end in ends if end is not None), default=0)
    is_whole = whole is not None and whole < len(said["moments"])
    fits = said["after"] == passing.at(whole) and said["is_whole"] is is_whole
    told = f"{said['after']} ({said['is_whole']}) told, {passing.at(whole)} ({is_whole}) is"
    yield Check("arrives", fits, told)


def _moment(
    t: int,
    moment: Json,
    row: Sequence[float],
    passing: Passing,
    schema: Schema,
    times: Mapping[int, tuple[int, int | None]],
) -> Iterator[Check]:
    yield Check("at", moment["at"] == passing.at(t), f"{moment['at']}, {passing.at(t)} is")
    moving = {schema.names[j]: j for j in times}
    there = {n for n, j in moving.items() if (end := times[j][1]) is not None and end <= t}
    told = f"at {moment['at']}: {sorted(moment['arrived'])} told, {sorted(there)} are"
    yield Check("arrived", set(moment["arrived"]) == there, told)
    fits, values = set(moment["instance"]) == set(moving), list[str]()
    for name, value in moment["instance"].items():
        j = schema.index(name)
        read = written(schema[name], value)
        fits = fits and near(read, row[j]) and not math.isinf(read)
        values.append(f"{name} {value} told, {row[j]} is")
    yield Check("row", fits, f"at {moment['at']}: {'; '.join(values)}")


def _rules(
    moment: Json,
    row: Sequence[float],
    schema: Schema,
    factual: Sequence[float],
    limits: Sequence[Limit],
) -> Check:
    """Whether the rules that do not hold are those that are told, by the row as it is told: at the
    edge of a rule its last digit decides."""
    now = list(row)
    for name, value in moment["instance"].items():
        now[schema.index(name)] = written(schema[name], value)
    after, before = Reading(now), Reading(factual)
    broken = {
        limit.key for limit in limits if not limit.of_action and not limit.holds(after, before)
    }
    told = f"at {moment['at']}: {moment['broken_rules']} told, {sorted(broken)} are broken"
    return Check("rules", set(moment["broken_rules"]) == broken, told)


def _wanted(
    name: str,
    said: float | None,
    scores: Sequence[Sequence[float]],
    goal: ScoreGoal,
    passing: Passing,
) -> Check:
    """Whether it is as wanted from then on, and was not just before; within the rounding of the
    limit it may be on either side of it."""
    margins = [goal.margin(row) for row in scores]
    sure = [
        m > SCORED or (goal.met(row) and m >= 0) for m, row in zip(margins, scores, strict=True)
    ]
    may = [m >= -SCORED for m in margins]
    first = next((t for t in range(len(may) + 1) if all(sure[t:])), len(may))
    told = f"{said} told; as wanted from step {first} on of {len(scores) - 1}"
    if said is None:
        return Check(name, not sure[-1] or margins[-1] <= SCORED, told)
    at = [t for t in range(len(may)) if passing.at(t) == said]
    fits = bool(at) and all(may[at[0] :]) and (at[0] == 0 or margins[at[0] - 1] <= SCORED)
    return Check(name, fits, told)


def _changes(said: int, scores: Sequence[Sequence[float]], decision: Decision) -> Check:
    """How often the decision changes; where a score is within rounding of a limit it may be
    otherwise."""
    found = np.array(scores)
    ends = [decision.decide(found + off) for off in (0.0, SCORED, -SCORED)]
    counts = {sum(a != b for a, b in pairwise(decided.tolist())) for decided in ends}
    return Check("decision_changes", said in counts, f"{said} told, {sorted(counts)} are")


def check_what_if(
    answer: Json, request: Json | None, book: Rulebook, score: Score
) -> list[Section]:
    """Every check of what an exported what-if says of time; its parameters and errors are those of
    :func:`~.exported.check_answer`."""
    with refusing_other_json():
        schema = book.schema
        settings = {a["feature"]: a["to"] for a in answer["actions"]}
        before = {p["feature"]: p["from"] for p in (*answer["actions"], *answer["effects"])}
        instance, over = {**answer["instance"], **before}, None
        if request is not None:
            settings, instance, over = request["set"], request["instance"], request["over"]
        factual = tuple(schema.read(instance).tolist())
        acted = {schema.index(n): schema[n].read(value) for n, value in settings.items()}
        if book.passing is None:
            no_time = Check("time", False, "the model's causal file has no time")
            return [Section("trajectory", (no_time,))]
        said = answer["trajectory"]
        checks = trajectory(
            said, book.passing, schema, book.decision, factual, acted, score, over, book.limits
        )
        return [Section("trajectory", tuple(checks))]
