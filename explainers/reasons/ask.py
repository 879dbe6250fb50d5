"""Which readings alone force the decision of one row, and which of them count most?"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from ifonly.explainers.answer import Prediction, Work
from ifonly.explainers.constraints import Rule
from ifonly.explainers.deadline import Deadline
from ifonly.explainers.errors import DeadlineReached, InvalidPolicy
from ifonly.explainers.inquiry import NEVER, scored_by
from ifonly.explainers.policy import Policy
from ifonly.explainers.reason import PrincipalReason, Reasons, SufficientReason
from ifonly.explainers.reasons.confirm import ClaimedSet, ReasonConfirmation
from ifonly.explainers.reasons.hitting import bits
from ifonly.explainers.reasons.minimal import MinimalSet, SetSearch
from ifonly.explainers.reasons.ranking import distances, ranked
from ifonly.explainers.reasons.readable import (
    decided_otherwise,
    problems_of,
    ranges_of,
    readable_schema,
    rules_of_rows,
)
from ifonly.explainers.search.blackbox import Blackbox
from ifonly.explainers.search.contradiction import contradictions
from ifonly.explainers.search.engine import AT_HAND, Effort, Engine, Meter
from ifonly.explainers.verify.forced import ForcedDecision, ReadableRows
from ifonly.explainers.watch import Watch, unwatched
from ifonly.models.predictor import Predictor, Row
from ifonly.models.schema import Schema

MOST_SETS = 20
"""Sufficient reasons of one answer."""
MOST_PRINCIPAL = 10
PRINCIPAL = 4
"""Principal reasons where nobody says how many: notices to consumers name no more (12 CFR 1002.9,
comment 9(b)(2)-1)."""


@dataclass(frozen=True, eq=False)
class ReasonQuestion:
    """One row, and how many reasons of its decision are wanted.

    Raises
    ------
    InvalidPolicy
        Naming the key, the value and the limit.
    InvalidInstance
        If the row is none of the schema's, or a feature has no bounds.
    """

    policy: Policy
    factual: Row
    sets: int = 3
    """Sufficient reasons that are told at most."""
    principal: int = PRINCIPAL
    seed: int = 0
    readable: Schema = field(init=False)
    """What the engine must have been made for: the schema, each feature with a step."""

    def __post_init__(self) -> None:
        limits = (("sets", self.sets, MOST_SETS), ("principal", self.principal, MOST_PRINCIPAL))
        for key, value, most in limits:
            if not 1 <= value <= most:
                raise InvalidPolicy(key, f"is {value}, not 1 to {most}", value, (1, most))
        object.__setattr__(self, "factual", self.policy.schema.row(self.factual))
        object.__setattr__(self, "readable", readable_schema(self.policy.schema))


def reasons(
    question: ReasonQuestion,
    predictor: Predictor,
    *,
    engine: Engine | None = None,
    deadline: Deadline = NEVER,
    watch: Watch = unwatched,
    effort: Effort = AT_HAND,
) -> Reasons:
    """The readings that alone force the decision of one row, the fewest first; and the main ones.

    The same question and predictor give the same answer, unless the deadline cuts the search.

    Parameters
    ----------
    question : ReasonQuestion
    predictor : Predictor
        The deployed model: rows, shape (n, n_features), to scores, shape (n, n_outputs).
    engine : Engine, optional
        Who searches, made for ``question.readable``; by default the one that works on any graph.
    deadline : Deadline
    watch : Watch
        Told of each stage.
    effort : Effort
        How the search may call the model.

    Raises
    ------
    InvalidTarget
        If the model decides nothing.
    GraphError
        If the model cannot score rows.
    """
    meter = Meter(predictor, deadline, effort=effort)
    score = scored_by(predictor, meter)
    policy, factual = question.policy, question.factual
    prediction = Prediction.of(policy.decision, score(factual[None, :]))
    targets = decided_otherwise(policy.decision, prediction.decided)
    of_rows = rules_of_rows(policy.constraints)
    kept = tuple(rule for rule in of_rows if rule.holds(factual[None, :], factual)[0])
    engine = engine or Blackbox()
    problems = problems_of(
        question.readable, factual, targets, kept, policy.references, question.seed
    )
    scales = [cost.scale for cost in policy.cost.features]
    distance = distances(policy.schema, factual, policy.references, scales)
    # First those that are rather kept: the least usual readings.
    movable = sorted(problems[0].movable.tolist(), key=lambda j: (-distance[j], j))
    rows = contradictions(engine, problems, meter, deadline)
    search = SetSearch(factual, movable, rows, deadline)
    with watch("search"):
        search.run(question.sets)
        claims = [_claim(search, found) for found in search.found[: question.sets]]
    checked = ReasonConfirmation(
        ForcedDecision(_readable(policy, factual), policy.decision, prediction.decided, score),
        policy.references,
        question.seed,
    )
    with watch("verify"):
        found = checked.confirmed(claims)
    with watch("complete"):
        main = _principal(search, found, distance, question.principal)
    refuted = bool(checked.rejected)
    return Reasons(
        prediction,
        found,
        search.is_complete and not refuted,
        # An engine that erred once is not believed where rows can show nothing.
        0 if refuted else search.at_least,
        main,
        ranges_of(policy.schema, question.readable),
        tuple(rule.origin.key for rule in kept),
        tuple(rule.origin.key for rule in of_rows if rule not in kept),
        Work(
            rows.told_by, meter.rows, meter.runs, search.deadline_hit, meter.nodes,
            tuple(checked.rejected), meter.is_spent,
        ),
    )  # fmt: skip


def _claim(search: SetSearch, found: MinimalSet) -> ClaimedSet:
    columns = tuple(bits(found.columns))
    witnesses: list[tuple[int, Row]] = []
    is_minimal = found.is_minimal
    if is_minimal:
        try:
            for j in columns:
                row = search.witness_of(found.columns, j)
                if row is not None:
                    witnesses.append((j, row))
        except DeadlineReached:
            search.deadline_hit = True
            is_minimal = False
    is_smallest = len(columns) <= search.at_least
    return ClaimedSet(columns, is_minimal, is_smallest, tuple(witnesses))


def _principal(
    search: SetSearch, found: Sequence[SufficientReason], distance: Sequence[float], most: int
) -> tuple[PrincipalReason, ...]:
    everything = sum(1 << j for j in search.movable)

    def turns_alone(column: int) -> bool:
        try:
            return search.otherwise(everything & ~(1 << column)) is not None
        except DeadlineReached:
            search.deadline_hit = True
            return False

    return ranked([reason.columns for reason in found], distance, turns_alone, most)


def _readable(policy: Policy, factual: Row) -> ReadableRows:
    """As the documents say: the checker reads the rules anew, from their text."""
    rules = [c for c in policy.constraints if isinstance(c, Rule)]
    return ReadableRows.of(policy.schema, factual.tolist(), [rule.text for rule in rules])
