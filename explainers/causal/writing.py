"""A causal spec as the text of ``causal.toml``; reading it again yields the same spec."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import fields
from decimal import Decimal

from ifonly.explainers.causal.mechanism import NoiseForm
from ifonly.explainers.causal.noise_stability import stability_tables
from ifonly.explainers.causal.spec import (
    Alternative,
    CausalEdge,
    CausalNode,
    CausalSpec,
    Confounder,
    GraphProvenance,
    MechanismSpec,
    NodeKind,
    ProvenanceCheck,
)
from ifonly.explainers.causal.timing import Delay, Duration, Shape
from ifonly.models.schema import Labels


def write_causal(spec: CausalSpec, comment: str = "") -> bytes:
    """The file; ``comment`` stands at its head, a line each."""
    parts = [
        [f"# {line}" for line in comment.splitlines()],
        list(_head(spec)),
        *(_table(f"nodes.{_key(name)}", _node(node)) for name, node in spec.nodes.items()),
        *(_table("edges", _edge(edge), repeated=True) for edge in spec.edges),
        *(_table("confounders", _confounder(c), repeated=True) for c in spec.confounders),
        *(_table(f"mechanisms.{_key(name)}", _mechanism(m)) for name, m in spec.mechanisms.items()),
        *(part for other in spec.alternatives for part in _alternative(other)),
        *(
            _table("doubts", {**_check(doubt), "passed": None, "result": None}, repeated=True)
            for doubt in spec.doubts or ()
        ),
        *_stability(spec),
        *_provenance(spec.provenance),
        *(
            _table("effects", {"file": e.file, "sha256": e.sha256}, repeated=True)
            for e in spec.effects
        ),
    ]
    return ("\n\n".join("\n".join(part) for part in parts if part) + "\n").encode()


def _head(spec: CausalSpec) -> Iterator[str]:
    yield "format = 1"
    yield from _lines(
        {
            "version": spec.version,
            "title": spec.title,
            "status": spec.status.value,
            "accepted_by": spec.accepted_by,
            "accepted_at": spec.accepted_at,
            # An empty list says that nothing had failed; with entries they are tables, below.
            "doubts": [] if spec.doubts == () else None,
            "time": None if spec.step is None else {"step": _duration(spec.step)},
        }
    )


def _node(node: CausalNode) -> dict[str, object]:
    return {
        "kind": "" if node.kind is NodeKind.FEATURE else node.kind.value,
        "role": node.role.value,
        "of": node.of,
        "lag": node.lag or None,
        "delay": _delay(node.takes, node.delay),
        "description": node.description,
    }


def _edge(edge: CausalEdge) -> dict[str, object]:
    return {
        "from": edge.cause,
        "to": edge.effect,
        "source": edge.source,
        "sign": "" if edge.sign == "any" else edge.sign,
        "evidence": edge.evidence,
        "delay": _delay(edge.takes, edge.delay),
        "allowed_for": list(edge.allowed_for) or None,
    }


def _delay(takes: Delay | None, words: Labels) -> Mapping[str, object]:
    if takes is None:
        return words
    shape = {} if takes.shape is Shape.STEP else {"shape": takes.shape.value}
    return {**_duration(takes.duration), **shape, **words}


def _duration(duration: Duration) -> Mapping[str, object]:
    return {duration.unit.value: duration.amount}


def _confounder(confounder: Confounder) -> dict[str, object]:
    return {
        "between": list(confounder.between),
        "rho": confounder.rho and list(confounder.rho),
        "strength": confounder.strength,
        "evidence": confounder.evidence,
    }


def _alternative(other: Alternative) -> Iterator[list[str]]:
    head = {
        "name": other.name,
        "weight": other.weight,
        "source": other.source,
        "reason": other.reason,
        "remove": [list(pair) for pair in other.remove] or None,
        "add": [list(pair) for pair in other.add] or None,
    }
    yield _table("alternatives", head, repeated=True)
    for c in other.confounders:
        yield _table("alternatives.confounders", _confounder(c), repeated=True)
    for name, m in other.mechanisms.items():
        yield _table(f"alternatives.mechanisms.{_key(name)}", _mechanism(m))


def _mechanism(m: MechanismSpec) -> dict[str, object]:
    noise = "" if m.noise is NoiseForm.ADDITIVE else m.noise.value
    head = {"kind": m.kind, "noise": noise, "sd": m.sd}
    return {**head, **m.parameters, "file": m.file, "sha256": m.sha256}


def _stability(spec: CausalSpec) -> Iterator[list[str]]:
    if spec.stability is None:
        return
    for name, values in stability_tables(spec.stability):
        yield _table(f"stability.nodes.{_key(name)}" if name else "stability", values)


def _provenance(provenance: GraphProvenance) -> Iterator[list[str]]:
    given = {
        f.name: getattr(provenance, f.name) for f in fields(GraphProvenance) if f.name != "checks"
    }
    given["rows"] = provenance.rows or None
    if provenance != GraphProvenance():
        yield _table("provenance", given)
    for check in provenance.checks:
        yield _table("provenance.checks", _check(check), repeated=True)


def _check(check: ProvenanceCheck) -> dict[str, object]:
    given = {f.name: getattr(check, f.name) for f in fields(ProvenanceCheck)}
    return {**given, "between": check.between and list(check.between), "result": check.result}


# --- TOML ---------------------------------------------------------------------------------


def _table(name: str, values: Mapping[str, object], *, repeated: bool = False) -> list[str]:
    return [f"[[{name}]]" if repeated else f"[{name}]", *_lines(values)]


def _lines(values: Mapping[str, object]) -> Iterator[str]:
    """Every key whose value says something: no None, no empty text or table."""
    for key, value in values.items():
        if value is not None and value != "" and value != {}:
            yield f"{_key(key)} = {_value(value)}"


def _key(name: str) -> str:
    bare = name.isascii() and name.replace("_", "").replace("-", "").isalnum()
    return name if bare else _text(name)


def _value(value: object) -> str:
    match value:
        case bool():
            return "true" if value else "false"
        case str():
            return _text(value)
        case int() | float():
            return repr(value)
        case Decimal():
            return f"{value:f}"
        case Mapping():
            return "{" + ", ".join(f"{_key(k)} = {_value(v)}" for k, v in value.items()) + "}"
        case Sequence():
            return "[" + ", ".join(_value(item) for item in value) + "]"
    raise TypeError(f"{type(value).__name__} has no place in causal.toml")


def _text(text: str) -> str:
    escaped = "".join(_ESCAPES.get(c) or (c if c.isprintable() else _code(c)) for c in text)
    return f'"{escaped}"'


_ESCAPES = {'"': '\\"', "\\": "\\\\", "\n": "\\n", "\t": "\\t"}


def _code(character: str) -> str:
    return f"\\U{ord(character):08x}"
