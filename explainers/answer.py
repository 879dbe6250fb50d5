"""Answers. A claim is a type: nothing here can mean two things."""

from __future__ import annotations

from dataclasses import dataclass

from ifonly.explainers.consequences import Assurance
from ifonly.explainers.constraints import Constraint
from ifonly.explainers.target import Demand, Target
from ifonly.explainers.terms import BoxProof, FaceEnd
from ifonly.explainers.terms import Status as Status
from ifonly.models.predictor import Row, Scores
from ifonly.models.schema import Decision


@dataclass(frozen=True)
class Prediction:
    """What the deployed model says of one row."""

    scores: tuple[float, ...]
    """As :data:`ifonly.models.predictor.Scores`, one row."""
    decided: int
    """Position of the class, -1 where nothing decides."""

    @classmethod
    def of(cls, decision: Decision, scores: Scores) -> Prediction:
        """The first row of ``scores``."""
        return cls(tuple(scores[0].tolist()), int(decision.decide(scores[:1])[0]))


@dataclass(frozen=True)
class Action:
    """One feature that is set."""

    column: int
    factual: float
    counterfactual: float
    sufficient_range: tuple[float, float] | None = None
    """Widest interval around the counterfactual value in which, everything else as in the
    answer, the decision stays flipped and every rule holds; None where not computed."""


@dataclass(frozen=True)
class Effect:
    """One feature that follows, by the causal model, from what is set."""

    column: int
    factual: float
    counterfactual: float
    via: tuple[int, ...] = ()
    """What is set and leads here."""


@dataclass(frozen=True)
class GraphChance:
    """How sure an action is if one graph is the true one."""

    name: str
    weight: float
    chance: float
    """Share of its plausible mechanisms by which the action flips."""


@dataclass(frozen=True)
class OverGraphs:
    """How sure an action is over all graphs that may be the true one."""

    each: tuple[GraphChance, ...]
    """The main one first."""
    worst: str
    """The one under which its margin is least sure; of several alike the main one, or the first."""


@dataclass(frozen=True)
class Cheaper:
    """The cheapest action that would do were the main graph certain."""

    cost: float
    graphs: OverGraphs
    """How sure it is over all of them: not enough."""


@dataclass(frozen=True)
class BoxSide:
    """What one setting of an answer may be, whatever the others are within their own sides."""

    column: int
    low: float
    high: float
    below: FaceEnd
    """Why it goes no lower."""
    above: FaceEnd


@dataclass(frozen=True)
class JointBox:
    """Settings in which all of an answer's values may be chosen at once: with each choice every
    rule holds, the decision is the one asked for, and whatever else is demanded of the answer."""

    sides: tuple[BoxSide, ...]
    """Of each action, in its order; a category stays as it is set."""
    proof: BoxProof
    size: float
    """Product of the sides' widths, each with a step more and in units of its cost."""


@dataclass(frozen=True)
class Counterfactual:
    """A row that was verified: allowed, on the grid, and in the target by the deployed model."""

    row: tuple[float, ...]
    actions: tuple[Action, ...]
    cost: float
    prediction: Prediction
    lower_bound: float | None = None
    """No allowed row (with levers other than those of the answers before) costs less; None
    where nothing is known."""
    effects: tuple[Effect, ...] = ()
    chance: float | None = None
    """Share of plausible mechanisms by which it flips; None where features move alone."""
    chance_later: float | None = None
    """Share of draws by which it flips when it is carried out, the noise partly drawn anew by then;
    None where nobody said that it is."""
    assurance: Assurance | None = None
    """How sure it is besides; None where features move alone, and of a relaxation."""
    enumerated: int = 0
    """No allowed row that changes at most so many features costs less: all were scored."""
    graphs: OverGraphs | None = None
    """None where there is but one graph, or nothing follows by any."""
    cheaper: Cheaper | None = None
    """What the doubt about the graph makes it dearer than; None where it does not."""
    rests_on_rounding: bool = False
    """Whether another session of the same graph, which takes its sums in another order, may deny
    it: nothing that holds in all of them was found."""
    survives: bool = False
    """Whether it holds whatever the sensors' tolerances make of the readings: demanded, proven."""
    joint_box: JointBox | None = None
    """None where it was not asked for, sets one feature alone, or nothing is known of boxes."""

    def action_on(self, factual: Row) -> Row:
        """``factual`` with what is set, both ``(n_features,)``; what follows is not in it."""
        action = factual.copy()
        for setting in self.actions:
            action[setting.column] = setting.counterfactual
        return action

    @property
    def gap(self) -> float | None:
        """``(cost - lower_bound) / cost``; 0 is proven optimal, None is not known."""
        if self.lower_bound is None:
            return None
        return 0.0 if self.cost <= self.lower_bound else (self.cost - self.lower_bound) / self.cost


@dataclass(frozen=True)
class Work:
    """What the search did: counts, not seconds, so that they repeat."""

    engine: str
    rows: int
    """Model rows scored."""
    runs: int
    """Model calls."""
    deadline_hit: bool = False
    nodes: int = 0
    """Boxes of the search, or nodes of a solver's tree, that were opened."""
    rejected: tuple[str, ...] = ()
    """Rows and claims of an engine that the checker did not find true, and why: an engine erred.
    Nothing of them is in the answer."""
    is_spent: bool = False
    """Whether the search had called the model as often as it may."""


@dataclass(frozen=True)
class Recourse:
    """Counterfactuals, cheapest first; never empty."""

    prediction: Prediction
    counterfactuals: tuple[Counterfactual, ...]
    work: Work

    @property
    def status(self) -> Status:
        return Status.OPTIMAL if self.counterfactuals[0].gap == 0.0 else Status.FEASIBLE


Blocker = Constraint | Demand
"""What can stand in the way of an answer."""


@dataclass(frozen=True)
class Relaxation:
    """What would do if one thing that stands in the way were lifted."""

    lifted: Blocker
    counterfactual: Counterfactual
    """Allowed by all the other constraints, and in :attr:`target`."""
    target: Target
    """The question's; where its demand is what is lifted, the surest that can be reached."""


@dataclass(frozen=True)
class Infeasible:
    """Proven: no allowed row is in the target."""

    prediction: Prediction
    blocked_by: tuple[Blocker, ...]
    """What alone leaves nothing in the target, and without any one of it something is: constraints,
    and what the target demands; empty where the values that can be set at all leave nothing."""
    work: Work
    best: Prediction | None = None
    """The allowed prediction nearest to the target, where one was scored."""
    relaxation: Relaxation | None = None
    """The cheapest way out that lifts one constraint; None where lifting one is not enough, or
    the time was up."""

    @property
    def status(self) -> Status:
        return Status.INFEASIBLE


@dataclass(frozen=True)
class Unknown:
    """Nothing found, nothing proven: the deadline or the budget of model rows ran out."""

    prediction: Prediction
    work: Work
    best: Prediction | None = None

    @property
    def status(self) -> Status:
        return Status.UNKNOWN


@dataclass(frozen=True)
class AlreadyTarget:
    """The factual is in the target: there is nothing to change."""

    prediction: Prediction
    work: Work

    @property
    def status(self) -> Status:
        return Status.ALREADY_TARGET


@dataclass(frozen=True)
class Abstained:
    """Some action flips the decision by what is believed of the causes, none so surely as the
    policy demands: no answer is better than one that may not come true."""

    prediction: Prediction
    chance: float
    """Share of plausible mechanisms by which the surest action that was found flips."""
    work: Work
    graphs: OverGraphs | None = None
    """Of that action; None where there is but one graph."""
    chance_later: float | None = None
    """Share of draws by which it flips when it is carried out; None where all noise stays."""

    @property
    def status(self) -> Status:
        return Status.ABSTAINED


Answer = Recourse | Infeasible | Unknown | AlreadyTarget | Abstained
