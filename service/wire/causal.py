"""What is answered about what follows, and how sure that is."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from ifonly.explainers.terms import Estimand, Strategy
from ifonly.service.wire.base import Text, Wire, is_none


class Assumption(Wire):
    """Something that a causal answer takes for granted."""

    text: Text
    standing: Literal["tested", "not_rejected", "untested", "failed"] = Field(
        description="`tested`: what is wrong is shown to be within a margin (of graphs that were "
        "tested before this was asked: the test did not reject it). `not_rejected`: nothing speaks "
        "against it, and the rows are too few to tell."
    )
    check: str | None = Field(None, exclude_if=is_none, description="What was tested.")
    value: float | None = Field(None, exclude_if=is_none)
    limit: float | None = Field(None, exclude_if=is_none)


class Doubt(Wire):
    """A part of the causal model that had failed a check when a person accepted it."""

    check: str = Field(description="What failed, e.g. `idle edge`, `noise independence`.")
    features: list[str] = Field(
        description="A node, or both ends of an edge, declared or missing; none: the whole graph."
    )
    value: float | None = Field(description="What was measured; null: it was not kept.")
    limit: float | None = Field(description="What it was held against.")
    text: Text


class CausalReference(Wire):
    """Which causal model said what follows, and who answers for it."""

    version: str
    status: Literal["proposed", "accepted", "retired"]
    accepted_by: str
    accepted_at: str
    sha256: str


class Refutation(Wire):
    """Something that should, or should not, have changed the estimate, done."""

    name: str
    value: float
    limit: float = Field(description="Largest size of `value` that does not speak against it.")


class EffectSensitivity(Wire):
    """How strong a hidden common cause would have to be to undo an effect."""

    robustness_value: float = Field(
        description="Share of what is left of treatment and of outcome that it would have to "
        "explain, to explain all of the effect (Cinelli and Hazlett 2020)."
    )
    robustness_value_interval: float = Field(
        description="To bring no effect into the interval; 0: it is there already."
    )
    e_value: float | None = Field(
        description="Risk ratio by which it would have to be tied to both (VanderWeele and Ding "
        "2017); null: the outcome is no risk, or its risks cannot be told."
    )
    e_value_interval: float | None = Field(description="As the robustness value's; 1: is there.")
    strongest: str | None = Field(description="The covariate whose like would undo most of it.")
    left_by_strongest: float | None = Field(
        description="The effect, at worst, beside a hidden cause as strong as that covariate."
    )


class EffectEvidence(Wire):
    """What happened to the real outcome, on average, where this was done."""

    text: Text
    feature: str
    before: tuple[float, float] = Field(description="Readings of the rows compared with.")
    after: tuple[float, float]
    estimand: Estimand = Field(
        description="Whose average: of all rows, of the comparable ones (others were trimmed), of "
        "the overlap population, of the treated, of those whom an instrument moves."
    )
    effect: float = Field(description="Mean outcome there, less the mean outcome here.")
    interval: tuple[float, float] = Field(description="At 95 %.")
    strategy: Strategy = Field(description="By what the graph identifies it.")
    through: list[str] = Field(description="Mediators of the front door, or instruments.")
    first_stage: float | None = Field(description="F of instruments; below 10 they are weak.")
    sensitivity: EffectSensitivity | None = Field(
        description="Null: the effect was attached before it was told."
    )
    rows: int
    trimmed: float = Field(description="Share of rows left out: none like them on the other side.")
    adjusted_for: list[str]
    refutations: list[Refutation]
    data_sha256: str
    estimated_at: str
    attached_by: str


class PossibleGraph(Wire):
    """A graph that may be the true one."""

    name: str = Field(description="`main`, or that of an alternative in `causal.toml`.")
    weight: float = Field(description="Probability that it is the true one, as declared.")
    held: bool = Field(
        description="Whether an answer must be sure under it by itself; else it counts in the "
        "chance over all graphs alone."
    )
    chance: float | None = Field(
        description="Share of its plausible mechanisms by which the first answer flips, or, where "
        "it is abstained, the surest change that was found; null: there is neither."
    )
    text: Text = Field(description="What is otherwise in it.")
    settled_by: Text = Field(description="What would show whether it is so; empty for `main`.")
    reason: str = Field(description="Why it cannot be excluded, as declared; may be empty.")


class CausalGrounds(CausalReference):
    """The causal model that an answer rests on."""

    gamma: float = Field(
        description="Standard deviations, over plausible mechanisms, that an answer keeps from "
        "the edge of the target."
    )
    floor: float = Field(description="Least share of plausible mechanisms by which it flips.")
    assumptions: list[Assumption]
    graphs: list[PossibleGraph] | None = Field(
        None,
        exclude_if=is_none,
        description="Every graph that may be the true one, `main` first; only where there are "
        "several. Counterfactual rows are those of `main`.",
    )
    worst_graph: str | None = Field(
        None,
        exclude_if=is_none,
        description="The one under which the first answer, or the surest change, is least sure; "
        "only where there are several and something follows.",
    )
    deciding_graph: str | None = Field(
        None,
        exclude_if=is_none,
        description="The alternative for which the surest change is not sure enough (abstained), "
        "or for which the answer is dearer than were `main` certain.",
    )
    cost_by_main_graph: float | None = Field(
        None,
        exclude_if=is_none,
        description="Cost of the cheapest change that would do were `main` certain, where the "
        "answer is dearer.",
    )
    evidence: list[EffectEvidence] | None = Field(
        None,
        exclude_if=is_none,
        description="What is known of the real outcome of these very actions, if anything is.",
    )


class CausalSummary(CausalReference):
    """The causal model beside a model."""

    used: bool = Field(description="Only an accepted one is.")
    edges: list[tuple[str, str]] = Field(description="From cause to effect, between features.")


class Tie(Wire):
    """A hidden common cause that was declared."""

    between: tuple[str, str]
    held: tuple[float, float] = Field(
        description="The answer was held against every correlation of the two noises from the "
        "first to the second."
    )
    correlation: float | None = Field(
        description="Of the two noises, at which the answer no longer flips; null: none up to "
        "0.99 undoes it."
    )


class GraphChance(Wire):
    """How sure an answer is if one graph is the true one."""

    name: str
    weight: float = Field(description="Probability that it is the true one, as declared.")
    chance: float = Field(description="Share of its plausible mechanisms by which it flips.")


class WhenCarriedOut(Wire):
    """How sure an answer is when it is carried out some time after the reading."""

    chance: float = Field(
        description="Share of draws of mechanisms and of what is left of this machine's own noise "
        "by then, in which it flips. `floor` is demanded of it, too."
    )
    drawn_anew: list[str] = Field(description="Features of whose noise not all is taken to stay.")
    after: float | None = Field(
        None, exclude_if=is_none, description="How long after the reading; absent: nobody said."
    )
    unit: Literal["seconds", "minutes", "hours"] | None = Field(None, exclude_if=is_none)


class Assurance(Wire):
    """How sure an answer is, beyond the deployed model's word."""

    # The name says under which model: a chance alone would be read as one of the outcome.
    chance_under_this_model: float = Field(
        description="Share of plausible mechanisms by which it flips, whatever correlation of the "
        "noises the declared hidden causes may make. All of them share the graph and the data, so "
        "this is too sure of itself. Where several graphs may be the true one: the mean of their "
        "shares by weight."
    )
    survives_sensor_errors: float = Field(
        description="Share of draws of the sensors' errors under which it flips."
    )
    extrapolates: list[str] = Field(
        description="Effects that rest on causes unlike those that were seen."
    )
    hidden_causes: list[Tie]
    graphs: list[GraphChance] | None = Field(
        None,
        exclude_if=is_none,
        description="By graph, `main` first; only where several may be the true one.",
    )
    when_carried_out: WhenCarriedOut | None = Field(
        None,
        exclude_if=is_none,
        description="Only where `causal.toml` declares that not all of the noise stays until a "
        "remedy is carried out; all else speaks of a remedy that is carried out at once.",
    )


class Quantiles(Wire):
    p5: float
    p50: float
    p95: float


class Distribution(Wire):
    """What an intervention leads to: the noise of what follows drawn anew."""

    draws: int
    # Empty where a draw cannot be decided: shares would not add up to one.
    decisions: dict[str, float] = Field(description="Share of draws by decision; may be empty.")
    scores: Quantiles | None = Field(
        None,
        exclude_if=is_none,
        description="Of the score: a regression's value, or the probability of the positive "
        "class; not for multi-class models.",
    )
    effects: dict[str, Quantiles] = Field(description="Of every feature that follows.")


TimeUnit = Literal["seconds", "minutes", "hours"]


class Arrives(Wire):
    """When an answer's action has had its whole effect. Only where every delay that is needed has
    a number in `causal.toml`, and an end."""

    unit: TimeUnit
    after: float = Field(description="From the setting until nothing moves any more.")
    in_target_from: float | None = Field(
        description="From when on the prediction is in the target and stays there, by the "
        "likeliest mechanisms; null: by rounding it is not at the end."
    )
    decision_changes: int = Field(
        description="How often the decision changes until then; more than once: it flips back."
    )


class Arrival(Wire):
    """When one feature moves."""

    feature: str
    begins: float = Field(description="Until then it reads as before.")
    arrives: float | None = Field(
        description="From then on it moves no more; null: never, its own past moves it on."
    )
