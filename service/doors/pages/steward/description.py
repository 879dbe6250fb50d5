"""A served model as a page shows it: what it reads and decides, what the plant allows, what it
rests on."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

from ifonly.explainers.causal import CausalSpec
from ifonly.explainers.causal.spec import CausalEdge, ProvenanceCheck
from ifonly.explainers.wording import Language
from ifonly.explainers.wording.conventions import conventions
from ifonly.explainers.wording.numerals import count, exact_percentage, exactly, percentage
from ifonly.models.encoding import Form
from ifonly.models.errors import UnknownModel
from ifonly.models.graph.composition import Composition
from ifonly.models.graph.ensemble import TreeEnsemble
from ifonly.models.graph.forms import Affine, UnitNetwork
from ifonly.models.schema import Feature, Labels, Task
from ifonly.models.spec.card import said
from ifonly.models.window import Window, window_of
from ifonly.service.ask import catalogue
from ifonly.service.doors.pages.auditor.naming import rounded, said_in
from ifonly.service.doors.pages.causal_graph import Drawing, drawn
from ifonly.service.served.registry import Registry, ServedModel
from ifonly.service.words.catalogue import say
from ifonly.service.words.graphs import differs, settled_by
from ifonly.service.words.labels import label
from ifonly.service.words.reasons import reason
from ifonly.service.words.sheets import card_lines
from ifonly.service.words.time import duration

Said = tuple[str, str]
"""A text and its language; empty: nobody says which it is."""


@dataclass(frozen=True, slots=True)
class FeatureLine:
    label: str
    name: str
    description: str
    kind: str
    unit: str
    bounds: str
    step: str
    enters: str
    """What the graph takes for it."""
    cost: str


@dataclass(frozen=True, slots=True)
class RuleLine:
    key: str
    text: str
    """With the reason that the policy gives."""


@dataclass(frozen=True, slots=True)
class EdgeLine:
    cause: str
    effect: str
    sign: str
    source: str
    evidence: Said
    delay: str


@dataclass(frozen=True, slots=True)
class CheckLine:
    check: Said
    node: str
    result: str
    """``passed`` in older files, which say only that."""
    value: str
    limit: str
    note: Said


@dataclass(frozen=True)
class OtherLine:
    """Another graph that may be the true one."""

    name: str
    weight: str
    says: str
    """What is otherwise in it."""
    settled_by: str
    source: str
    reason: str


@dataclass(frozen=True)
class Causes:
    """What ``causal.toml`` says, and who answers for it."""

    title: str
    status: str
    is_used: bool
    accepted_by: str
    accepted_at: str
    version: str
    drawing: Drawing
    edges: tuple[EdgeLine, ...]
    hidden: tuple[tuple[str, Said], ...]
    others: tuple[OtherLine, ...]
    mechanisms: tuple[tuple[str, str], ...]
    checks: tuple[CheckLine, ...]
    provenance: tuple[tuple[str, str], ...]


@dataclass(frozen=True)
class ModelPage:
    """Everything on the page of one model."""

    name: str
    version: str
    versions: tuple[str, ...]
    title: str
    description: str
    decision: tuple[tuple[str, str], ...]
    digests: tuple[tuple[str, str], ...]
    reading: str
    refusal: str
    """Why the graph could not be read as mathematics; empty: it was."""
    deployed: tuple[tuple[str, str], ...]
    """Where else it is deployed and how that compares, each with the kind of notice it is."""
    parity: tuple[tuple[str, str], ...]
    metrics: tuple[tuple[str, str], ...]
    alarm: tuple[tuple[str, str], ...]
    card: tuple[tuple[str, str], ...]
    """What people are told of it, each with what it is called."""
    codes: tuple[tuple[str, str, str], ...]
    """Label of a feature, code and text of the reason."""
    features: tuple[FeatureLine, ...]
    rules: tuple[RuleLine, ...]
    causes: Causes | None
    spec: str
    causal: str


@dataclass(frozen=True, slots=True)
class Card:
    """A model among others, by its latest version."""

    name: str
    version: str
    versions: tuple[str, ...]
    title: str
    description: str
    decides: str
    causes: str
    """Whether a causal model is accepted."""
    digests: tuple[tuple[str, str], ...]


def cards(registry: Registry, tag: Language) -> Iterator[Card]:
    for name in registry.names():
        with suppress(UnknownModel):  # a refresh may have dropped it since
            yield _card(registry.find(name), registry, tag)


def _card(model: ServedModel, registry: Registry, tag: Language) -> Card:
    spec = model.deployed.spec
    return Card(
        model.name,
        model.version,
        registry.versions(model.name),
        _in(spec.title, tag) or model.name,
        _in(spec.description, tag),
        say(f"task.{spec.decision.task.value}", tag),
        "none" if model.graph is None else model.graph.status.value,
        (
            (_model_file(model), model.deployed.model_sha256),
            ("spec.toml", model.deployed.spec_sha256),
        ),
    )


def shown(model: ServedModel, registry: Registry, tag: Language) -> ModelPage:
    deployed, told = model.deployed, catalogue.description(model, registry)
    parity, validation = deployed.parity or {}, deployed.validation
    return ModelPage(
        name=model.name,
        version=model.version,
        versions=registry.versions(model.name),
        # A spec need not have a title.
        title=_in(deployed.spec.title, tag) or model.name,
        description=_in(deployed.spec.description, tag),
        decision=tuple(_decision(model, tag)),
        digests=(
            (_model_file(model), deployed.model_sha256),
            ("spec.toml", deployed.spec_sha256),
            *((("causal.toml", deployed.causal_sha256),) if deployed.causal_sha256 else ()),
            *((("validation.csv", validation.sha256),) if validation is not None else ()),
        ),
        reading=_reading(model, tag),
        refusal=deployed.form_refusal,
        deployed=tuple(_deployed(model, tag)),
        parity=_flat(_compared(parity)),
        metrics=_flat(parity.get("metrics", {})),
        alarm=tuple(_alarm(deployed.spec.alarm, tag)),
        card=card_lines(deployed.spec.card, tag),
        codes=tuple(_codes(model, tag)),
        features=tuple(_features(model, tag)),
        rules=tuple(RuleLine(c.key, said_in(c.text, tag)[0]) for c in told.constraints),
        causes=None if model.graph is None else _causes(model.graph, model, tag),
        # As it was loaded, not read again: the digest beside it is of this text.
        spec=model.spec_text.decode("utf-8-sig"),
        causal=(deployed.causal or b"").decode("utf-8-sig"),
    )


def _compared(parity: Mapping[str, Any]) -> Mapping[str, Any]:
    """Of ``parity.json`` what compares two models: of one that was trained here a table of its own,
    of one that was converted the numbers themselves."""
    own = parity.get("parity")
    if isinstance(own, Mapping):
        return own
    return {k: v for k, v in parity.items() if isinstance(v, int | float)}


def _delay(edge: CausalEdge, tag: Language) -> str:
    """Its number, its words, or both."""
    number = "" if edge.takes is None else duration(edge.takes.duration, tag)
    return ", ".join(part for part in (number, _in(edge.delay, tag)) if part)


def _in(labels: Labels, tag: Language) -> str:
    return said_in(labels, tag)[0]


def _text(said: str | Labels, tag: Language) -> Said:
    """What a plant wrote."""
    return (said, "") if isinstance(said, str) else said_in(said, tag)


def _note(note: str, tag: Language) -> Said:
    """What a test says beside its number, part by part."""
    told = [reason(part, tag) for part in note.split("; ")] if note else []
    own = {language for _, language in told}
    return "; ".join(part for part, _ in told), own.pop() if len(own) == 1 else ""


def _decision(model: ServedModel, tag: Language) -> Iterator[tuple[str, str]]:
    decision = model.decision
    yield "task", say(f"task.{decision.task.value}", tag)
    if decision.classes:
        names = [label(c, tag) for c in decision.classes]
        yield "classes", ", ".join(names)
        if decision.threshold is not None:
            yield "positive", names[decision.positive]
        if decision.desired is not None:
            yield "desired", names[decision.desired]
        if model.policy.probability:
            yield "probability", exact_percentage(model.policy.probability)
        if model.policy.is_robust:
            yield "robust", say("steward.robust_yes", tag)
    if decision.threshold is not None:
        is_share = decision.task is not Task.REGRESSION
        write = exact_percentage if is_share else exactly
        yield "threshold", write(decision.threshold)
    if decision.unit:
        yield "unit", decision.unit


def _model_file(model: ServedModel) -> str:
    """What its digest is of."""
    return "model.onnx" if model.deployed.has_copy else "[predictor]"


def _deployed(model: ServedModel, tag: Language) -> Iterator[tuple[str, str]]:
    """Who else has the model, and whether that answers as the copy here does."""
    if model.predictor is None:
        return
    url, found = model.predictor.url, model.predictor.compared
    if not model.deployed.has_copy:
        calls = count(model.predictor.remote.calls)
        yield "info", say("deployed.alone", tag, predictor=url, calls=calls)
        return
    yield "info", say("deployed.confirms", tag, predictor=url)
    if found is None:
        return
    if found.why:
        yield "warn", say("deployed.away", tag, why=found.why)
        return
    told = {"rows": count(found.rows), "differing": count(found.differing)}
    if found.differs:
        yield "warn", say("deployed.differs", tag, **told)
    else:
        yield "good", say("deployed.same", tag, **told)


def _reading(model: ServedModel, tag: Language) -> str:
    form = model.deployed.form
    match None if form is None else form.core:
        case None:
            return say("form.none", tag)
        case TreeEnsemble() as trees:
            return say("form.trees", tag, count=count(len(trees.roots)))
        case Affine():
            return say("form.linear", tag)
        case Composition() as graph:
            return say("form.composition", tag, nodes=count(len(graph.program.steps)))
        case UnitNetwork() as network:
            return say("form.units", tag, count=count(network.n_units))
        case network:
            return say("form.network", tag, layers=len(network.layers))


def _flat(table: Mapping[str, Any], prefix: str = "") -> tuple[tuple[str, str], ...]:
    """``{"a": {"b": 1}}`` as ``("a.b", "1")``."""
    lines: list[tuple[str, str]] = []
    for key, value in table.items():
        if isinstance(value, Mapping):
            lines += _flat(value, f"{prefix}{key}.")
        else:
            shown = rounded(value) if isinstance(value, float) else _counted(value)
            lines.append((f"{prefix}{key}", shown))
    return tuple(lines)


def _counted(value: Any) -> str:
    return count(value) if isinstance(value, int) and not isinstance(value, bool) else str(value)


def _alarm(alarm: Mapping[str, Any], tag: Language) -> Iterator[tuple[str, str]]:
    texts = ("cause", "consequence", "response", "response_without_change", "time_to_respond")
    for part in (*texts, "owner", "class"):
        if part in alarm:
            yield part, _in(alarm[part], tag)
    if "priority" in alarm:
        yield "priority", say(f"priority.{alarm['priority']}", tag)


def _channels(model: ServedModel, window: Window, tag: Language) -> Iterator[FeatureLine]:
    """Of a window its channels, at the cost of moving them."""
    enters = say("form.window", tag, steps=window.steps, period=str(window.period))
    for c, channel in enumerate(window.channels):
        levers = window.levers(c)
        cost = model.policy.cost.features[levers[0]] if levers else None
        yield FeatureLine(
            label(channel, tag),
            channel.name,
            _in(channel.description, tag),
            say(f"feature_kind.{channel.kind.value}", tag),
            conventions(tag).behind("", channel.unit).strip(),
            _bounds(channel, tag),
            "" if channel.resolution is None else str(channel.resolution),
            enters,
            "" if cost is None else _cost(cost.weight, cost.scale, cost.fixed, channel, tag),
        )


def _codes(model: ServedModel, tag: Language) -> Iterator[tuple[str, str, str]]:
    """What notices say of a feature: its label, the code, the text."""
    for name, code in model.deployed.spec.reason_codes.items():
        yield label(model.schema[name], tag), code.code, said(code.text, tag)


def _features(model: ServedModel, tag: Language) -> Iterator[FeatureLine]:
    window = window_of(model.schema)
    if window is not None:
        yield from _channels(model, window, tag)
        return
    encodings = {e.name: e for e in model.deployed.spec.encoding.features}
    for feature, cost in zip(model.schema.features, model.policy.cost.features, strict=True):
        encoding = encodings[feature.name]
        enters = say(f"form.{encoding.form.value}", tag)
        if encoding.form is Form.CODES:
            codes = (f"{k} = {c.name}" for k, c in enumerate(feature.categories))
            enters += f" ({', '.join(codes)})"
        yield FeatureLine(
            label(feature, tag),
            feature.name,
            _in(feature.description, tag),
            say(f"feature_kind.{feature.kind.value}", tag),
            # Without a number before it: the unit as the language calls it.
            conventions(tag).behind("", feature.unit).strip(),
            _bounds(feature, tag),
            "" if feature.resolution is None else str(feature.resolution),
            enters,
            _cost(cost.weight, cost.scale, cost.fixed, feature, tag),
        )


def _bounds(feature: Feature, tag: Language) -> str:
    if feature.kind.is_categorical:
        return ", ".join(label(c, tag) for c in feature.categories)
    ends = (feature.lower, feature.upper)
    return " – ".join(exactly(end) if math.isfinite(end) else "∞" for end in ends)


def _cost(weight: float, scale: float, fixed: float, feature: Feature, tag: Language) -> str:
    fixed_part = f"{rounded(fixed)} + " if fixed else ""
    if feature.kind.is_categorical:
        return f"{fixed_part}{rounded(weight)}"
    per = conventions(tag).behind(rounded(scale), feature.unit)
    return f"{fixed_part}{say('steward.cost_per', tag, weight=rounded(weight), scale=per)}"


def _result(check: ProvenanceCheck) -> str:
    if check.result is None:
        return "passed" if check.passed else "failed"
    return check.result.value.replace(" ", "_")


def _causes(spec: CausalSpec, model: ServedModel, tag: Language) -> Causes:
    labels = {f.name: label(f, tag) for f in spec.schema.features}

    def called(node: str) -> str:
        own = spec.nodes[node]
        return labels.get(node) or (f"{labels.get(own.of, node)} (t−{own.lag})" if own.of else node)

    notes = {name: say(f"role.{spec.nodes[name].role.value}", tag) for name in spec.schema.names}
    said = spec.provenance
    return Causes(
        _in(spec.title, tag),
        spec.status.value,
        model.causal is not None,
        spec.accepted_by,
        spec.accepted_at,
        spec.version,
        drawn(spec, tag, notes=notes),
        tuple(
            EdgeLine(
                called(e.cause),
                called(e.effect),
                e.sign,
                say(f"source.{e.source or 'none'}", tag),
                _text(e.evidence, tag),
                _delay(e, tag),
            )
            for e in spec.edges
        ),
        tuple(
            (" ↔ ".join(called(name) for name in tie.between), _text(tie.evidence, tag))
            for tie in spec.hidden
        ),
        tuple(
            OtherLine(
                other.name,
                percentage(other.weight),
                differs(spec, other)[tag],
                settled_by(spec, other)[tag],
                say(f"steward.graph_by_{other.source or 'none'}", tag),
                other.reason,
            )
            for other in spec.alternatives
        ),
        tuple((called(name), mechanism.kind) for name, mechanism in spec.mechanisms.items()),
        tuple(
            CheckLine(
                reason(c.check, tag),
                " – ".join(called(name) for name in c.between or filter(None, [c.node])),
                _result(c),
                rounded(c.value),
                rounded(c.limit),
                _note(c.note, tag),
            )
            for c in said.checks
        ),
        tuple(
            (name, _counted(value) if name == "rows" else str(value))
            for name in ("source", "data", "data_sha256", "rows", "fitted_at", "seed")
            if (value := getattr(said, name)) not in ("", None)
        ),
    )
