"""``causal.toml``: what acts on what, by which mechanisms, who accepted it, what was tested."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from decimal import Decimal
from enum import StrEnum
from functools import cache, cached_property
from importlib.resources import files
from typing import Any

from ifonly.explainers.causal.checks import contradictions
from ifonly.explainers.causal.graph import Graph
from ifonly.explainers.causal.mechanism import NoiseForm
from ifonly.explainers.causal.noise_stability import NoiseStability, read_stability
from ifonly.explainers.causal.timing import UNITS, Delay, Duration, Shape
from ifonly.models.document import Document, read_document
from ifonly.models.errors import SpecError
from ifonly.models.schema import Labels, Schema

DEFAULT_STRENGTH = 0.5
"""Of a hidden common cause of which nobody said how strong it may be: one that makes half of the
variance of each of the two noises correlates them by 0.5."""


class ApprovalStatus(StrEnum):
    PROPOSED = "proposed"
    """For review only."""
    ACCEPTED = "accepted"
    """A person answers for it: it may be used."""
    RETIRED = "retired"


class NodeRole(StrEnum):
    ACTIONABLE = "actionable"
    """Can be set."""
    FIXED = "fixed"
    """Neither set, nor moved by what can be set."""
    CONSEQUENCE = "consequence"
    """Moves with its causes, and is never set."""


class NodeKind(StrEnum):
    FEATURE = "feature"
    LATENT = "latent"
    """Acts, and no sensor reads it."""
    LAGGED = "lagged"
    """An earlier value of a feature: past, so nothing that is done now moves it. It may be a
    column of the model; then it is filled as time passes."""


@dataclass(frozen=True)
class CausalNode:
    name: str
    kind: NodeKind
    role: NodeRole
    of: str = ""
    """The feature that a lagged node is an earlier value of."""
    lag: int = 0
    """How many readings earlier; with a time, how many steps."""
    delay: Labels = field(default_factory=dict)
    description: Labels = field(default_factory=dict)
    takes: Delay | None = None
    """How long until a value that is set is reached; None: nobody gave a number."""


@dataclass(frozen=True)
class CausalEdge:
    cause: str
    effect: str
    source: str = ""
    """``declared``, ``physics``, ``discovery``, ``experiment``; empty: nobody said."""
    sign: str = "any"
    """``+``, ``-`` or ``any``."""
    evidence: str | Labels = ""
    delay: Labels = field(default_factory=dict)
    takes: Delay | None = None
    """How long until a move of the cause has moved the effect; None: nobody gave a number."""
    allowed_for: tuple[str, ...] = ()
    """Attributes whose effect along it is no unfairness."""


@dataclass(frozen=True)
class Confounder:
    """Two features whose noises may share a cause that no sensor reads."""

    between: tuple[str, str]
    rho: tuple[float, float] | None = None
    """Least and greatest correlation of the noises that is thought possible."""
    strength: float | None = None
    """The greatest size of it that is, of either sign."""
    evidence: str | Labels = ""

    @property
    def correlations(self) -> tuple[float, float]:
        """Least and greatest correlation under which answers must hold."""
        if self.rho is not None:
            return self.rho
        size = DEFAULT_STRENGTH if self.strength is None else self.strength
        return -size, size

    @property
    def is_bounded(self) -> bool:
        """Whether somebody said how strong it may be."""
        return self.rho is not None or self.strength is not None


@dataclass(frozen=True)
class MechanismSpec:
    """How a feature follows from its causes, as the file says it."""

    kind: str
    noise: NoiseForm = NoiseForm.ADDITIVE
    sd: float | None = None
    parameters: Mapping[str, Any] = field(default_factory=dict)
    """``intercept``, ``coefficients``, ``terms``, ``expression``, ``log_scale``, ``members``."""
    file: str = ""
    sha256: str = ""


@dataclass(frozen=True)
class EffectFile:
    """Where an effect on the real outcome is kept; see :mod:`ifonly.explainers.causal.evidence`."""

    file: str
    sha256: str


class CheckResult(StrEnum):
    TESTED = "tested"
    """What is wrong is shown to be within a margin (equivalence)."""
    NOT_REJECTED = "not rejected"
    """Nothing speaks against it, and the rows are too few to tell."""
    FAILED = "failed"


@dataclass(frozen=True)
class ProvenanceCheck:
    """One thing that was tested."""

    check: str
    passed: bool
    node: str = ""
    value: float | None = None
    limit: float | None = None
    note: str = ""
    between: tuple[str, str] | None = None
    """Two features: an edge from the first to the second, declared or missing."""
    result: CheckResult | None = None
    """None in older files, which say only whether it passed."""

    @property
    def standing(self) -> CheckResult:
        if self.result is not None:
            return self.result
        return CheckResult.TESTED if self.passed else CheckResult.FAILED


@dataclass(frozen=True)
class GraphProvenance:
    source: str = ""
    data: str = ""
    data_sha256: str = ""
    rows: int = 0
    fitted_at: str = ""
    seed: int = 0
    checks: tuple[ProvenanceCheck, ...] = ()


@dataclass(frozen=True)
class Alternative:
    """Another graph that may be the true one."""

    name: str
    weight: float
    """Probability that it is."""
    source: str = ""
    """``validation``, ``discovery`` or ``expert``; empty: nobody said."""
    reason: str = ""
    remove: tuple[tuple[str, str], ...] = ()
    """Edges of the main graph, from cause to effect, that are none in it."""
    add: tuple[tuple[str, str], ...] = ()
    confounders: tuple[Confounder, ...] = ()
    """Hidden common causes in it, beside those of the main graph or instead of them."""
    mechanisms: Mapping[str, MechanismSpec] = field(default_factory=dict)
    """Of features whose causes are others in it."""


@dataclass(frozen=True)
class CausalSpec:
    """Everything that ``causal.toml`` says."""

    version: str
    status: ApprovalStatus
    schema: Schema
    nodes: Mapping[str, CausalNode]
    edges: tuple[CausalEdge, ...]
    confounders: tuple[Confounder, ...]
    mechanisms: Mapping[str, MechanismSpec]
    provenance: GraphProvenance
    effects: tuple[EffectFile, ...] = ()
    title: Labels = field(default_factory=dict)
    accepted_by: str = ""
    accepted_at: str = ""
    alternatives: tuple[Alternative, ...] = ()
    """Other graphs that may be the true one instead of this, the main one."""
    doubts: tuple[ProvenanceCheck, ...] | None = None
    """Checks that had failed when it was accepted; None: nothing was tested, or nobody kept it."""
    step: Duration | None = None
    """Between two readings; None: the file has no time."""
    stability: NoiseStability | None = None
    """How much of each noise is left when a remedy is carried out; None: it is taken to stay."""
    sha256: str = ""
    """SHA-256 of the file's bytes."""

    @cached_property
    def graph(self) -> Graph:
        """Edges between features, by column. What latent and lagged nodes do is part of the
        noise of what they act on."""
        index = self.schema.index
        inside = (e for e in self.edges if e.cause in self.schema)
        return Graph.of(len(self.schema), [(index(e.cause), index(e.effect)) for e in inside])

    def parents(self, feature: str) -> tuple[str, ...]:
        """Features that act on ``feature`` directly, in the order in which mechanisms take
        them: that of the schema."""
        causes = self.graph.parents[self.schema.index(feature)]
        return tuple(self.schema.names[i] for i in causes)

    @property
    def weight(self) -> float:
        """Probability that the main graph is the true one."""
        return 1.0 - sum(other.weight for other in self.alternatives)

    def changed(self, other: Alternative) -> frozenset[str]:
        """Features whose causes, of those that are read, are others in ``other``."""
        # What is not read is part of the noise, and changes no mechanism.
        pairs = (*other.remove, *other.add)
        return frozenset(effect for cause, effect in pairs if cause in self.schema)

    def under(self, other: Alternative) -> CausalSpec:
        """What the file would say were ``other`` the graph that is believed, and the only one."""
        edges = [e for e in self.edges if (e.cause, e.effect) not in other.remove]
        edges += [CausalEdge(*pair, source=other.source) for pair in other.add]
        # What is declared in it says more of the same two features.
        declared = {frozenset(c.between) for c in other.confounders}
        kept = [c for c in self.confounders if frozenset(c.between) not in declared]
        changed = self.changed(other)
        mechanisms = {n: m for n, m in self.mechanisms.items() if n not in changed}
        return replace(
            self,
            edges=tuple(edges),
            confounders=(*kept, *other.confounders),
            mechanisms={**mechanisms, **other.mechanisms},
            alternatives=(),
        )

    @cached_property
    def hidden(self) -> tuple[Confounder, ...]:
        """Declared hidden common causes, and one for each two features that share a latent or a
        lagged node."""
        declared = {frozenset(c.between) for c in self.confounders}
        shared = []
        for node in self.nodes.values():
            if node.name in self.schema:  # it is read, so it is not hidden
                continue
            below = [e.effect for e in self.edges if e.cause == node.name]
            for i, a in enumerate(below):
                for b in below[i + 1 :]:
                    # What was declared says more, such as how strong it may be.
                    if frozenset((a, b)) not in declared:
                        declared.add(frozenset((a, b)))
                        shared.append(Confounder((a, b), evidence=f"both follow from {node.name}"))
        return (*self.confounders, *shared)


@cache
def json_schema() -> dict[str, Any]:
    """The published JSON Schema (draft 2020-12) of ``causal.toml``."""
    path = files("ifonly.explainers.causal") / "causal.schema.json"
    schema: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    return schema


def parse_causal(text: bytes, file: str, schema: Schema) -> CausalSpec:
    """Read and check the causal model of the model that reads ``schema``.

    Raises
    ------
    SpecError
        With every problem found: file, dotted key, value and limit.
    """
    document = read_document(text, file, json_schema())
    # All of them at once, so that a file is mended in one go.
    problems = list(contradictions(document, schema))
    if problems:
        raise SpecError.of(file, problems)
    return CausalSpec(
        version=document["version"],
        status=ApprovalStatus(document["status"]),
        schema=schema,
        nodes={name: _node(name, table) for name, table in document["nodes"].items()},
        edges=tuple(_edge(table) for table in document.get("edges", ())),
        confounders=tuple(_confounder(table) for table in document.get("confounders", ())),
        mechanisms=_mechanisms(document),
        provenance=_provenance(document.get("provenance", {})),
        effects=tuple(EffectFile(**table) for table in document.get("effects", ())),
        title=dict(document.get("title", {})),
        accepted_by=document.get("accepted_by", ""),
        accepted_at=document.get("accepted_at", ""),
        alternatives=tuple(_alternative(table) for table in document.get("alternatives", ())),
        doubts=_doubts(document.get("doubts")),
        step=_duration(document["time"]["step"]) if "time" in document else None,
        stability=_stability(document.get("stability")),
        sha256=hashlib.sha256(text).hexdigest(),
    )


def _stability(table: Document | None) -> NoiseStability | None:
    return None if table is None else read_stability(table, _duration(table.get("after", {})))


def _node(name: str, table: Document) -> CausalNode:
    return CausalNode(
        name,
        NodeKind(table.get("kind", "feature")),
        NodeRole(table["role"]),
        table.get("of", ""),
        table.get("lag", 0),
        _words(table.get("delay", {})),
        dict(table.get("description", {})),
        _delay(table.get("delay", {})),
    )


def _edge(table: Document) -> CausalEdge:
    return CausalEdge(
        table["from"],
        table["to"],
        table.get("source", ""),
        table.get("sign", "any"),
        table.get("evidence", ""),
        _words(table.get("delay", {})),
        _delay(table.get("delay", {})),
        tuple(table.get("allowed_for", ())),
    )


def _words(table: Document) -> Labels:
    """What a delay says in words."""
    return {key: text for key, text in table.items() if key not in (*UNITS, "shape")}


def _delay(table: Document) -> Delay | None:
    duration = _duration(table)
    return None if duration is None else Delay(duration, Shape(table.get("shape", Shape.STEP)))


def _duration(table: Document) -> Duration | None:
    given = [unit for unit in UNITS if unit in table]
    return Duration.of(table[given[0]], given[0]) if given else None


def _confounder(table: Document) -> Confounder:
    a, b = table["between"]
    rho = table.get("rho")
    limits = None if rho is None else (float(rho[0]), float(rho[1]))
    size = float(table["strength"]) if "strength" in table else None
    return Confounder((a, b), limits, size, table.get("evidence", ""))


def _alternative(table: Document) -> Alternative:
    remove, add = (tuple((a, b) for a, b in table.get(key, ())) for key in ("remove", "add"))
    return Alternative(
        table["name"],
        float(table["weight"]),
        table.get("source", ""),
        table.get("reason", ""),
        remove,
        add,
        tuple(_confounder(each) for each in table.get("confounders", ())),
        _mechanisms(table),
    )


_PARAMETERS = ("intercept", "coefficients", "terms", "expression", "log_scale", "members")


def _mechanisms(document: Document) -> dict[str, MechanismSpec]:
    return {name: _mechanism(table) for name, table in document.get("mechanisms", {}).items()}


def _mechanism(table: Document) -> MechanismSpec:
    return MechanismSpec(
        table["kind"],
        NoiseForm(table.get("noise", "additive")),
        float(table["sd"]) if "sd" in table else None,
        {key: _plain(table[key]) for key in _PARAMETERS if key in table},
        table.get("file", ""),
        table.get("sha256", ""),
    )


def _provenance(table: Document) -> GraphProvenance:
    given = {key: value for key, value in table.items() if key != "checks"}
    return GraphProvenance(**given, checks=tuple(_check(row) for row in table.get("checks", ())))


def _check(table: Document) -> ProvenanceCheck:
    given = _plain(table)
    if "between" in given:
        given["between"] = tuple(given["between"])
    if "result" in given:
        given["result"] = CheckResult(given["result"])
    return ProvenanceCheck(**given)


def _doubts(tables: list[Document] | None) -> tuple[ProvenanceCheck, ...] | None:
    if tables is None:
        return None
    return tuple(_check({**table, "passed": False}) for table in tables)


def _plain(value: Any) -> Any:
    """``value`` with every Decimal as a float."""
    if isinstance(value, Decimal):
        return float(value)
    if isinstance(value, Mapping):
        return {key: _plain(item) for key, item in value.items()}
    if isinstance(value, list):
        return [_plain(item) for item in value]
    return value
