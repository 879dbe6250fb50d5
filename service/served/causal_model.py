"""The causal model of a served model: used once a person has accepted it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from enum import StrEnum

from ifonly.explainers.causal import CausalSpec, build_alternatives, build_model, parse_causal
from ifonly.explainers.causal.backtracking import BacktrackingConsequences
from ifonly.explainers.causal.consequences import CausalConsequences
from ifonly.explainers.causal.demands import consequences_of
from ifonly.explainers.causal.doubts import Doubt, are_forbidden, doubts_of
from ifonly.explainers.causal.evidence import Evidence, read_evidence
from ifonly.explainers.causal.spec import ApprovalStatus, NodeRole
from ifonly.explainers.causal.trajectory import TimedModel
from ifonly.explainers.causal.unrolling import profiles_alone, unrolled
from ifonly.explainers.constraints import Constraint, Immutable, MaxChanges, Origin, Severed, Source
from ifonly.explainers.policy import Policy
from ifonly.explainers.wording import Grounds, Wording
from ifonly.models.errors import SpecError
from ifonly.models.repository import DeployedModel
from ifonly.models.repository.folder import CAUSAL
from ifonly.models.window import WindowSchema, document_schema
from ifonly.service.logs import logger
from ifonly.service.served.causal_graphs import graph_loader


class Semantics(StrEnum):
    """What happens to the features that are not set."""

    INTERVENTIONAL = "interventional"
    """What follows from what is set moves, by the accepted causal model."""
    INDEPENDENT = "independent"
    """Nothing else moves: a statement about the model's arithmetic."""
    BACKTRACKING = "backtracking"
    """The laws stay and the background moves: another past, told to explain; no advice."""


@dataclass(frozen=True, eq=False)
class ServedCausal:
    """An accepted causal model, ready to be asked."""

    spec: CausalSpec
    consequences: CausalConsequences
    wording: Wording
    """Speaks of the equipment."""
    constraints: tuple[Constraint, ...]
    """Features that the graph says are never set."""
    history: BacktrackingConsequences
    history_wording: Wording
    """Tells of another past."""
    evidence: tuple[Evidence, ...] = ()
    """What is known of the real outcome, by this very graph."""
    doubts: tuple[Doubt, ...] = ()
    """What had failed when it was accepted."""
    of_history: tuple[Constraint, ...] = ()
    """What another past must keep besides."""

    def timed(self) -> TimedModel:
        """Raises
        ------
        NoTime
            If the file does not say what a step of time is.
        """
        return TimedModel.of(self.spec, self.consequences.model)

    def doubts_under(
        self, moved: Iterable[int], severed: Iterable[int] | None = None
    ) -> tuple[Doubt, ...]:
        """Those that an action rests on; see :meth:`Doubt.is_under`."""
        return tuple(doubt for doubt in self.doubts if doubt.is_under(moved, severed))


def read_graph_of(deployed: DeployedModel) -> CausalSpec | None:
    """What the folder's ``causal.toml`` says, accepted or not; None if there is none.

    Raises
    ------
    SpecError
        If it is broken.
    """
    if deployed.causal is None:
        return None
    file = f"{deployed.name}/{deployed.version}/{CAUSAL}"
    return parse_causal(deployed.causal, file, document_schema(deployed.spec.schema))


def moves_of_window(deployed: DeployedModel) -> CausalConsequences | None:
    """What the profiles of a window move, whether anything else follows or not; None: the model
    reads no window."""
    schema = deployed.spec.schema
    return profiles_alone(schema) if isinstance(schema, WindowSchema) else None


def prepare_causal(
    deployed: DeployedModel, spec: CausalSpec | None, policy: Policy
) -> ServedCausal | None:
    """The causal model, if a person answers for it: a proposed or a retired one is not used.

    Raises
    ------
    SpecError, GraphError
        If a mechanism is missing or cannot be used.
    """
    # A graph says what equipment does: somebody must answer for it before it gives advice.
    if spec is None or spec.status is not ApprovalStatus.ACCEPTED:
        return None
    file = f"{deployed.name}/{deployed.version}/{CAUSAL}"
    schema = deployed.spec.schema
    if isinstance(schema, WindowSchema):
        # It speaks of channels: from here on of their readings at each step.
        spec, consequences = unrolled(schema, spec, deployed.spec.policy, file)
    else:
        # Mechanisms that are graphs are strangers' programs, too, and run under the same guard.
        load = graph_loader(spec.schema, deployed.guard)
        model = build_model(spec, deployed.causal_files, file, load)
        others = build_alternatives(spec, deployed.causal_files, file, load, model)
        consequences = consequences_of(spec, model, deployed.spec.policy, others)
    doubts = doubts_of(spec)
    severed = tuple(_severed(spec, doubts, file)) if are_forbidden(deployed.spec.policy) else ()
    return ServedCausal(
        spec,
        consequences,
        Wording(spec.schema, policy.decision, policy.phrases or {}, grounds=Grounds.CAUSAL),
        (*_never_set(spec, policy), *severed),
        BacktrackingConsequences(consequences),
        Wording(spec.schema, policy.decision, grounds=Grounds.HISTORY),
        tuple(_evidence(spec, deployed, file)),
        doubts,
        tuple(_still(severed)),
    )


def _evidence(spec: CausalSpec, deployed: DeployedModel, file: str) -> Iterator[Evidence]:
    found = read_evidence(spec, deployed.causal_files, file)
    for named, evidence in zip(spec.effects, found, strict=True):
        # An effect was estimated under the assumptions of one graph, and means nothing in another.
        if evidence.speaks_of(spec):
            yield evidence
        else:
            logger.warning("%s: %s rests on another graph, so it is not used", file, named.file)


def _severed(spec: CausalSpec, doubts: Sequence[Doubt], file: str) -> Iterator[Severed]:
    """Raises
    ------
    SpecError
        If it is not known what had failed: then nothing could be forbidden.
    """
    if spec.doubts is None and spec.edges:
        problem = "is missing, and policy.causal.failed_checks is 'forbid': what had failed when "
        problem += "the graph was accepted is not known; `ifonly causal fit` tests it"
        raise SpecError(file, "doubts", problem)
    for i, doubt in enumerate(doubts):
        yield Severed(doubt.pairs, origin=Origin(Source.POLICY, f"causal.doubts.{i}"))


def _still(severed: Sequence[Severed]) -> Iterator[Immutable]:
    """In another past nothing is set, so nothing is severed: what leads into a doubt stays."""
    for each in severed:
        for j in sorted(frozenset[int]().union(*(causes for causes, _ in each.pairs))):
            yield Immutable(j, origin=each.origin)


def of_history(constraints: Sequence[Constraint]) -> tuple[Constraint, ...]:
    """Those that another past must keep. What the policy says can be *set*, and how far, is not
    asked of it: nothing is set. What the request adds is."""
    return tuple(
        c
        for c in constraints
        if not c.of_action or isinstance(c, MaxChanges) or c.origin.source is Source.REQUEST
    )


def _never_set(spec: CausalSpec, policy: Policy) -> list[Constraint]:
    """What the policy does not leave alone already."""
    # What the policy freezes keeps the policy's own reason.
    frozen = {c.column for c in policy.constraints if isinstance(c, Immutable)}
    return [
        Immutable(j, origin=Origin(Source.POLICY, f"causal.nodes.{name}.role"))
        for j, name in enumerate(spec.schema.names)
        if spec.nodes[name].role is not NodeRole.ACTIONABLE and j not in frozen
    ]
