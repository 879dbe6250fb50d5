"""What is answered."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import ConfigDict, Field, WithJsonSchema

from ifonly.explainers.terms import BoxProof, FaceEnd, Status, WayName
from ifonly.service.wire import examples
from ifonly.service.wire.base import Read, Text, Wire, Written, is_empty, is_false, is_none
from ifonly.service.wire.causal import (
    Arrival,
    Arrives,
    Assurance,
    CausalGrounds,
    Distribution,
    Doubt,
    TimeUnit,
)


class Prediction(Wire):
    """What the deployed model says of one row."""

    # Absent, not null, where a task has no such thing: clients test for the key.
    class_: str | None = Field(None, alias="class", exclude_if=is_none)
    label: Text | None = Field(None, exclude_if=is_none)
    probability: float | None = Field(
        None, exclude_if=is_none, description="Of the class named; not for regression."
    )
    probabilities: dict[str, float] | None = Field(
        None, exclude_if=is_none, description="Of every class; multi-class only."
    )
    score: float | None = Field(None, exclude_if=is_none, description="Regression only.")
    unit: str | None = Field(None, exclude_if=is_none)


class ModelReference(Wire):
    """Which model said so, to the byte."""

    model: str
    version: str
    model_sha256: str
    spec_sha256: str
    predictor: str | None = Field(
        None,
        exclude_if=is_none,
        description="Present where the model is in another process alone, which said so: where it "
        "was asked. Else the copy in this service's folder did.",
    )
    # Digests, not names: a folder can change under its name, and replay must notice.
    causal_sha256: str | None = Field(
        None, exclude_if=is_none, description="Of the accepted `causal.toml`, if there is one."
    )
    ifonly_version: str


class Provenance(ModelReference):
    """Everything that the answer follows from, the request aside."""

    engine: str
    engine_version: str
    # Part of what the answer follows from: with another seed the search may go another way.
    seed: int


class Audit(Wire):
    """Where the record of this reply stands."""

    id: str = Field(description="Of the record; an explanation's own id.")
    writer: str = Field(description="The chain.")
    sequence: int | None = Field(
        None, exclude_if=is_none, description="Place in the chain, from 1; once it is durable."
    )
    hash: str | None = Field(None, exclude_if=is_none)
    durable: bool = Field(
        description="Whether the record was on the disk before this reply left. `false` only if "
        "the service is set to answer first."
    )


class Proof(Wire):
    """That a record is in the log: `docs/audit.md`, *The log*."""

    # RFC 9162, 2.1.3.2 computes the root from all three: index, size and hashes.
    index: int = Field(description="Which leaf of the log the record is, from 0.")
    size: int = Field(description="How many leaves the head below has.")
    hashes: list[str] = Field(
        description="The inclusion proof (RFC 9162, 2.1.3), from the leaf up, in base64. The leaf "
        "is the record's hash, 32 bytes."
    )
    checkpoint: str = Field(
        description="The signed head (C2SP tlog-checkpoint), cosignatures included."
    )


Proven = Annotated[
    Proof | None,
    Field(
        exclude_if=is_none,
        description="With `proof=true`. Absent if no head with the record was signed in time: it "
        "is in `GET /api/v1/audit/events/{id}` later.",
    ),
]

Recorded = Annotated[
    Audit | None,
    Field(exclude_if=is_none, description="Absent on the command line, which records nothing."),
]


class PredictionsReply(Wire):
    model_config = ConfigDict(json_schema_extra={"examples": [examples.PREDICTIONS.reply]})

    rung: Literal["association"] = "association"
    predictions: list[Prediction]
    provenance: ModelReference
    audit: Recorded = None
    proof: Proven = None


class Constraint(Wire):
    """A constraint, by name and in words."""

    source: Literal["schema", "policy", "request"]
    key: str = Field(description="Dotted path in the model's spec, or in the request.")
    pointer: str | None = Field(
        None, exclude_if=is_none, description="JSON pointer into the request, if it is of it."
    )
    features: list[str] = Field(description="Features that it reads; empty: all of them.")
    text: Text
    why: Text = Field(description="The reason that the policy gives; may be empty.")


class OffGrid(Wire):
    """A value that cannot be set as it stands."""

    feature: str
    value: float | int
    unit: str
    resolution: float | int = Field(description="Step between values that can be set.")
    nearest: list[float | int] = Field(description="The values beside it that can be set.")


class WhatIfPredictions(Wire):
    before: Prediction
    after: Prediction


class Moment(Wire):
    """One step of time after a setting."""

    at: float = Field(description="After the setting, in the trajectory's `unit`.")
    instance: dict[str, Written] = Field(description="What is read of the features that move.")
    arrived: list[str] = Field(description="Those of them that move no more.")
    broken_rules: list[str] = Field(
        description="Keys of the policy's rules of the whole row that do not hold then; `allowed` "
        "speaks of the end."
    )
    prediction: Prediction


class Trajectory(Wire):
    """What is read and predicted as time passes, this machine's noise held: of what is set and of
    what follows, each by its delay; before the setting everything had long read the instance."""

    unit: TimeUnit
    step: float
    arrivals: list[Arrival]
    after: float | None = Field(
        description="When nothing moves any more; null: never, an earlier reading moves it on."
    )
    is_whole: bool = Field(description="Whether that is within what was asked for.")
    desired_from: float | None = Field(
        description="From when on the decision is the desired one, and stays so to the end of what "
        "was asked for; null: it is not at the end, or none is desired."
    )
    decision_changes: int = Field(
        description="How often the decision changes; more than once: it flips back."
    )
    moments: list[Moment]
    text: Text


class WhatIfReply(Wire):
    model_config = ConfigDict(json_schema_extra={"examples": [examples.WHAT_IF.reply]})

    id: str
    rung: Literal["association", "intervention", "counterfactual"] = Field(
        description="Rung of Pearl's ladder that the answer stands on. Without an accepted causal "
        "model it is `association`: the model is asked about another row, and nothing follows "
        "from what is set."
    )
    changed: bool = Field(description="Whether the decision (without one: the score) changes.")
    prediction: WhatIfPredictions
    actions: list[Action]
    effects: list[Effect]
    instance: dict[str, Read] = Field(
        description="The whole row, as it would be; of an intervention, by its mean."
    )
    allowed: bool = Field(
        description="Whether this could be set: no broken rule, on the grid, and what follows can "
        "be read."
    )
    unreadable: list[str] = Field(
        default=[], description="Features that would move out of their bounds."
    )
    distribution: Distribution | None = Field(
        None, exclude_if=is_none, description="Of an intervention only."
    )
    trajectory: Trajectory | None = Field(
        None, exclude_if=is_none, description="Only where `over` was asked for."
    )
    broken_rules: list[Constraint]
    off_grid: list[OffGrid]
    cost: float
    assumptions: list[Text]
    causal: CausalGrounds | None = Field(None, exclude_if=is_none)
    doubts: list[Doubt] = Field(
        description="Parts of the causal model that had failed a check when it was accepted, and "
        "that what follows rests on."
    )
    provenance: ModelReference
    audit: Recorded = None
    proof: Proven = None


class ActionProfile(Wire):
    """One way to move a channel of a window."""

    channel: str
    shape: Literal["constant", "step", "ramp"] = Field(
        description="`constant`, `step`: by the same amount from `from` on; `ramp`: evenly more "
        "from then on, by the whole amount at the last reading."
    )
    from_: str = Field(alias="from", description="How long before the end, e.g. `10 min`.")
    steps: int = Field(description="How many of the last readings it moves.")


class Action(Wire):
    """One feature that is set."""

    feature: str = Field(
        description="Of a window the name of a profile, whose amount is set: 0 before."
    )
    profile: ActionProfile | None = Field(None, exclude_if=is_none, description="Of a window only.")
    label: Text
    from_: Written = Field(alias="from")
    to: Written
    # Given beside both ends: 0.3 - 0.1 in a client's floats would not be 0.2.
    delta: float | int | None = Field(
        None, exclude_if=is_none, description="`to - from` in exact decimals; numbers only."
    )
    unit: str
    sufficient_range: list[float | int] | None = Field(
        None,
        exclude_if=is_none,
        description="Any value between these two flips the decision as well, all else as in this "
        "answer; numbers only, and only where it was computed.",
    )


class Effect(Wire):
    """One feature that follows, by the causal model, from what is set."""

    feature: str
    label: Text
    from_: Written = Field(alias="from")
    to: Written
    delta: float | int | None = Field(None, exclude_if=is_none)
    unit: str
    via: list[str]


Word = Annotated[
    Any,
    WithJsonSchema(
        {
            "anyOf": [
                {"type": "string"},
                {"type": "number"},
                {"type": "boolean"},
                {"type": "array", "items": {}},
                {"type": "null"},
            ],
            "title": "Said",
            "description": "The predictor's own word on this row, as it came: a class by its name "
            "or place, or numbers (probabilities, 0 to 1; a regression's value in the unit of "
            "`prediction`). null: it was not asked.",
        }
    ),
]
MOST_WHY = 600
"""Characters that say why the predictor did not confirm."""


class Confirmation(Wire):
    """Who said that one row is as it is claimed to be."""

    by: Literal["copy", "predictor"] = Field(
        "copy",
        description="`copy`: the model in the folder of this service, alone. `predictor`: the "
        "process that is deployed too (`IFONLY_PREDICTOR_HOST`), of all that is claimed.",
    )
    says: Literal["class", "score"] | None = Field(
        None,
        description="What the predictor tells: `score`, numbers, by which the target, what is "
        "demanded of it and every reading within the tolerances are met; `class`, the decision of "
        "the same rows alone: a probability that is claimed is the copy's. null: it was not asked.",
    )
    said: Word = None


class Confirmations(Confirmation):
    """The same of the instance, and of the answer as a whole."""

    predictor: str | None = Field(
        None, description="Where the predictor was asked; null: none is named."
    )
    rows: int = Field(0, description="Rows that it was asked about.")
    why: str | None = Field(
        None, description="Why the predictor that is named did not confirm: what came instead."
    )


class BoxSide(Wire):
    """What one setting may be, whatever the others are within their own sides."""

    feature: str
    label: Text
    low: Written
    high: Written
    unit: str
    below: FaceEnd = Field(
        description="Why it goes no lower. `edge`: nothing beyond may be set. `tight`: with the "
        "next value some choice of the others is no answer. `cut`: it could not be proven further."
    )
    above: FaceEnd = Field(description="Why it goes no higher.")


class JointBox(Wire):
    """Settings in which all of an answer's values may be chosen at once: with each choice every
    rule holds, the decision is the one asked for, and all else that is demanded of an answer."""

    sides: list[BoxSide] = Field(description="Of each action, in its order.")
    proof: BoxProof = Field(
        description="`proven`: by the model's mathematics, over all of the box. `asked`: every "
        "setting of it was put to the model."
    )
    text: Text


class Counterfactual(Wire):
    """An answer: allowed, on the grid, and in the target when scored by the deployed model."""

    rank: int
    cost: float
    # Null stays in: that nothing is known is said, not left out.
    lower_bound: float | None = Field(
        description="No allowed row (with levers other than those of the answers before) costs "
        "less; null: nothing is known."
    )
    gap: float | None = Field(description="(cost - lower_bound) / cost; 0: proven; null: unknown.")
    enumerated_changes: int = Field(
        description="Where the optimum is not proven: no allowed row that changes at most so many "
        "features costs less, since all of them were scored. 0: nothing was enumerated."
    )
    rests_on_rounding: bool = Field(
        False,
        exclude_if=is_false,
        description="Present, and true, where another session of the same graph (other threads, "
        "other rows beside it) may score it outside the target: no answer that all sessions "
        "confirm was found.",
    )
    actions: list[Action]
    effects: list[Effect]
    prediction: Prediction
    # A literal: an answer that the checker did not confirm cannot even be written.
    verified: Literal[True] = Field(
        True,
        description="Recomputed from the documents (policy, request, causal file) and the deployed "
        "graph by a checker that shares neither code nor definitions with the engines. That "
        "nothing cheaper exists is the search's proof: `lower_bound`. The graph is that of this "
        "service's folder; `confirmation` says whether a predictor was asked as well.",
    )
    confirmation: Confirmation = Confirmation()
    assurance: Assurance | None = Field(
        None, exclude_if=is_none, description="Only where features follow from what is set."
    )
    doubts: list[Doubt] = Field(
        description="Parts of the causal model that had failed a check when it was accepted, and "
        "that this rests on: what follows may be otherwise, or more may follow."
    )
    instance: dict[str, Read] = Field(description="The whole row: score it again and it flips.")
    arrives: Arrives | None = Field(
        None, exclude_if=is_none, description="Only where the causal model has time."
    )
    joint_box: JointBox | None = Field(
        None,
        exclude_if=is_none,
        description="Only where it was asked for, several features are set and something is known "
        "of boxes around this answer.",
    )
    text: Text


class MenuSet(Wire):
    """What some levers can do by themselves."""

    levers: list[str] = Field(description="Features; all others that may be set are left alone.")
    label: Text = Field(description="Their labels.")
    status: Literal["optimal", "feasible", "infeasible", "unknown"] = Field(
        description="`optimal`: the cheapest change that sets no other lever, proven. `feasible`: "
        "it flips; a cheaper such change may exist. `infeasible`: proven that no allowed change "
        "of these levers alone flips. `unknown`: not decided in time."
    )
    same_as: list[str] | None = Field(
        None,
        exclude_if=is_none,
        description="Those of them that the cheapest change sets, where it leaves the others "
        "alone: it is told with that set, or is the answer itself.",
    )
    counterfactual: Counterfactual | None = Field(
        None,
        exclude_if=is_none,
        description="What sets all of them. Its `lower_bound`: of changes of these levers alone.",
    )
    text: Text


class Menu(Wire):
    """Every set of a few levers: its cheapest change, or the proof that it has none."""

    max_levers: int
    levers: list[str] = Field(description="Those that sets are made of.")
    sets: list[MenuSet] = Field(description="The smallest first, in the order of `levers`.")
    text: Text = Field(description="How many can, provably cannot, and were not decided.")


class NamedWay(Wire):
    """One way out, by what it is the best of."""

    name: WayName = Field(
        description="`smallest`: cheapest by the policy's cost. `fewest_levers`: sets the fewest. "
        "`most_robust`: survives the greatest multiple of the declared tolerances that is asked "
        "for, within `cost_factor` times the smallest's cost. `other_levers`: sets the fewest of "
        "the smallest's levers. Of several the cheapest."
    )
    status: Literal["optimal", "feasible", "infeasible", "unknown"] = Field(
        description="`optimal`: proven to be what its name says, and the cheapest of those. "
        "`feasible`: flips; a better one may exist. `infeasible`: proven that there is none (no "
        "answer within that cost survives any of the multiples; every allowed answer sets all of "
        "the smallest's levers). `unknown`: nothing was found, nothing proven; see `why`."
    )
    same_as: WayName | None = Field(
        None, exclude_if=is_none, description="The way before it that sets the same."
    )
    survives: float | None = Field(
        description="The greatest of the multiples of the declared sensor tolerances (0.25 to 5) "
        "that it is proven to survive, all readings off at once; 0: none. null: nobody knows."
    )
    cost_factor: float | None = Field(
        None,
        exclude_if=is_none,
        description="Of the most robust: how many times the smallest's cost it may cost.",
    )
    why: Literal["no_tolerances", "no_proof"] | None = Field(
        None,
        exclude_if=is_none,
        description="Of the most robust, where it is left out: the policy declares no tolerance, "
        "or survival cannot be proven of such a model.",
    )
    counterfactual: Counterfactual | None = Field(
        None,
        exclude_if=is_none,
        description="Absent where `same_as` says which it is; the smallest's is the first of "
        "`counterfactuals`. Its `lower_bound`: of all that is the best of the same.",
    )
    text: Text = Field(description="What is claimed of it.")


class AskedProbability(Wire):
    """Of the target's class, both ends included."""

    min: float | None = Field(None, exclude_if=is_none)
    max: float | None = Field(None, exclude_if=is_none)


class AskedTarget(Wire):
    """What the prediction of a counterfactual had to be."""

    class_: str | None = Field(None, alias="class", exclude_if=is_none)
    probability: AskedProbability | None = Field(
        None,
        exclude_if=is_none,
        description="Demanded besides the decision; absent: the decision alone counted.",
    )
    score: AskedProbability | None = Field(
        None, exclude_if=is_none, description="The model's score; without `class`."
    )
    source: Literal["policy", "request"] = Field(
        description="Who said how probable the class has to be (or that its decision is enough), "
        "or which score."
    )
    robust: bool = Field(
        description="Whether an answer has to survive every reading within the declared sensor "
        "tolerances: proven over all of them."
    )
    robust_source: Literal["policy", "request"] = Field(
        description="Who said so: the request's `constraints.robust`, or the model's policy."
    )


class Times(Wire):
    """Where the time of this answer went, in milliseconds. No two answers share them: all else of a
    reply but its `id` and `audit` is the same whenever the same is asked."""

    queued_ms: float = Field(
        description="Waiting for a thread, before the time that the search was given began."
    )
    search_ms: float = Field(
        description="Where nothing is allowed: of what blocks, and of what comes nearest, too."
    )
    verify_ms: float
    complete_ms: float = Field(description="What would do as well, and how sure the answer is.")
    rest_ms: float = Field(
        description="All else before the words: reading the question, and the model's word on "
        "the instance."
    )


class Calls(Wire):
    """Where the model is asked over the wire, without a copy of it here."""

    most: int = Field(
        description="Calls of the model that the search could make (`predictor.calls`)."
    )
    spent: bool = Field(
        description="Whether it ended because they were used up: with more of them a cheaper "
        "answer, or one at all, might have been found."
    )


class Work(Wire):
    """What the search did, in counts, so that they repeat; and, apart, how long it took."""

    rows: int = Field(description="Model rows scored.")
    runs: int = Field(description="Model calls.")
    nodes: int = Field(
        description="Boxes of the exact search, or nodes of a solver's tree, that were opened."
    )
    deadline_ms: int = Field(
        description="Time that the search was given, from when it began: waiting is not part of it."
    )
    calls: Calls | None = Field(
        None, exclude_if=is_none, description="Only where there is no copy of the model here."
    )
    # Apart from the counts: times never repeat, and a replay compares the rest.
    times: Times
    rejected: list[str] = Field(
        default=[],
        exclude_if=is_empty,
        description="What an engine proposed or claimed and the checker did not find true, and "
        "why: a defect of ours, logged and counted. Nothing of it is in this answer.",
    )


class Relaxation(Wire):
    """What would do if one constraint were lifted; to be weighed, not done. Where that is the
    probability that was demanded (`policy.target.probability`, `target.probability`): the
    cheapest of what is as probable as can be reached."""

    lifted: Constraint
    counterfactual: Counterfactual


class ExplanationReply(Wire):
    model_config = ConfigDict(json_schema_extra={"examples": [examples.EXPLANATION.reply]})

    id: str
    status: Status = Field(
        description="`optimal`: proven cheapest. `feasible`: flips; a cheaper one may exist. "
        "`infeasible`: proven that nothing allowed flips. `unknown`: nothing found, nothing "
        "proven. `already_target`: there is nothing to change; also of what is decided as wanted "
        "and less probable than the policy demands of a change. `abstained`: something flips, "
        "nothing so surely as the policy demands."
    )
    semantics: Literal["interventional", "independent", "backtracking"] = Field(
        description="Whether what follows from what is set moves too. `backtracking`: nothing is "
        "set; an action is by how much a feature is otherwise *of itself*, and where what it "
        "follows from is otherwise too, its reading is among the effects."
    )
    target: AskedTarget
    deadline_hit: bool
    prediction: Prediction
    confirmation: Confirmations = Confirmations()
    counterfactuals: list[Counterfactual]
    ways: list[NamedWay] | None = Field(
        None,
        exclude_if=is_none,
        description="Only where they were asked for and something was found.",
    )
    menu: Menu | None = Field(
        None,
        exclude_if=is_none,
        description="Only where it was asked for and the target is not met already.",
    )
    text: Text
    assumptions: list[Text]
    causal: CausalGrounds | None = Field(
        None, exclude_if=is_none, description="Only where features follow from what is set."
    )
    doubts: list[Doubt] = Field(
        description="Those of all counterfactuals; where there are none, those that anything that "
        "may be set would rest on."
    )
    chance_under_this_model: float | None = Field(
        None,
        exclude_if=is_none,
        description="Only when abstained: share of plausible mechanisms by which the surest change "
        "that was found flips.",
    )
    chance_when_carried_out: float | None = Field(
        None,
        exclude_if=is_none,
        description="Only when abstained, and where not all of the noise stays: share of draws in "
        "which that change flips when it is carried out.",
    )
    blocked_by: list[Constraint] = Field(description="Only when infeasible: what leaves nothing.")
    relaxation: Relaxation | None = Field(
        None,
        exclude_if=is_none,
        description="Only when infeasible: the cheapest way out that lifts one constraint.",
    )
    best_prediction: Prediction | None = Field(
        None,
        exclude_if=is_none,
        description="The allowed prediction nearest to the target, where there is no answer.",
    )
    provenance: Provenance
    work: Work
    audit: Recorded = None
    proof: Proven = None

    @property
    def further(self) -> list[tuple[str, Counterfactual]]:
        """Ways and sets of levers that set something of their own, by what they are called."""
        ways = ((f"the way {way.name}", way.counterfactual) for way in self.ways or ())
        sets = () if self.menu is None else self.menu.sets
        menu = ((f"the levers {', '.join(s.levers)}", s.counterfactual) for s in sets)
        return [(name, found) for name, found in (*ways, *menu) if found is not None]


# Its annotations name classes that are defined further down.
WhatIfReply.model_rebuild()
