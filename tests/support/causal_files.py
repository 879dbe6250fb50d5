"""Random ``causal.toml`` documents over a small schema, with the files that they name."""

from __future__ import annotations

import hashlib
import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from functools import cache
from graphlib import CycleError, TopologicalSorter

import numpy as np
from sklearn.ensemble import GradientBoostingRegressor
from sklearn.linear_model import LinearRegression

from ifonly.explainers.causal.basis import Basis, Coordinates, Expansion
from ifonly.explainers.causal.mechanism import Mechanism, Noise
from ifonly.explainers.causal.storage import mechanism_to_json
from ifonly.models.onnx.export import export_onnx, to_bytes
from ifonly.models.schema import Category, Feature, Kind, Schema

A, GRADE, B, C, D, E = range(6)
SCHEMA = Schema(
    (
        Feature("a", Kind.CONTINUOUS, "m", -3.0, 3.0, Decimal("0.1")),
        Feature("grade", Kind.ORDINAL, categories=tuple(map(Category, ("L", "M", "H")))),
        Feature("b", Kind.INTEGER, "", -40, 40, Decimal(1)),
        Feature("c", Kind.CONTINUOUS, "m", -30.0, 30.0, Decimal("0.1")),
        Feature("d", Kind.CONTINUOUS, "m", -30.0, 30.0, Decimal("0.1"), may_be_missing=True),
        Feature("e", Kind.CONTINUOUS, "m", -90.0, 90.0, Decimal("0.1")),
    )
)
"""Kinds of features that follow and that are followed; ``a`` and ``grade`` are roots."""
KINDS = (
    "linear", "polynomial", "expression", "location-scale", "basis", "scaled basis", "trees",
    "ensembles", "onnx", "none",
)  # fmt: skip


@dataclass(frozen=True)
class Documents:
    """What a model folder would hold."""

    text: bytes
    files: Mapping[str, bytes]
    kinds: Mapping[str, str]
    """How each node follows."""


NONE_HIDDEN = ("{between = ['c', 'e'], strength = 0}",)
"""Confounders: of the two on which something hidden acts, that it does not matter."""


def draw_documents(
    seed: int, kinds: Sequence[str] = KINDS, confounders: Sequence[str] = NONE_HIDDEN
) -> Documents:
    """Each earlier feature acts on each later one with chance 0.6, and something hidden on two.
    The spread of all noises is known where ``confounders`` matter."""
    draw = np.random.default_rng(seed)
    names = SCHEMA.names
    edges = [
        (names[i], names[j]) for j in (B, C, D, E) for i in range(j) if draw.random() < 0.6
    ]  # fmt: skip
    lines = ['format = 1', 'version = "1"', 'status = "accepted"', 'accepted_by = "a test"',
             'accepted_at = "2026-01-31"', "nodes.hidden = {kind = 'latent', role = 'fixed'}",
             "nodes.past = {kind = 'lagged', of = 'a', lag = 1, role = 'fixed'}"]  # fmt: skip
    lines += [f"nodes.{n}.role = '{'actionable' if n != 'e' else 'consequence'}'" for n in names]
    told = [*edges, ("hidden", "c"), ("hidden", "e"), ("past", "a")]
    lines.append("edges = [" + ", ".join(f"{{from = '{p}', to = '{q}'}}" for p, q in told) + "]")
    lines.append(f"confounders = [{', '.join(confounders)}]")
    files: dict[str, bytes] = {}
    drawn = {}
    spread = confounders != NONE_HIDDEN
    for name in names:
        parents = [p for p, q in edges if q == name]
        if not parents:
            lines.append(f"[mechanisms.{name}]\nkind = 'root'")
            lines += ["sd = 1.5"] if spread else []
            continue
        able = [
            k for k in kinds if k != "onnx" or "d" not in parents
        ]  # a line has no missing cause
        drawn[name] = str(draw.choice(able))
        if drawn[name] != "none":
            lines += [f"[mechanisms.{name}]", *_mechanism(draw, name, parents, drawn[name], files)]
            # Fitted mechanisms have theirs in their files.
            lines += ["sd = 0.7"] if spread and "basis" not in drawn[name] else []
    return Documents("\n".join(lines).encode(), files, drawn)


WEIGHTS = (0.03, 0.1, 0.3)
"""Of other graphs: of the first an answer need not be sure by itself."""


def with_others(documents: Documents, seed: int, kinds: Sequence[str] = KINDS) -> Documents:
    """The same, with two other graphs: an edge less or the other way round, one more, a hidden
    cause."""
    draw, files, lines = np.random.default_rng([seed, 3]), dict(documents.files), list[str]()
    document = tomllib.loads(documents.text.decode())
    edges = [(e["from"], e["to"]) for e in document["edges"] if e["from"] in SCHEMA]
    for k in range(2):
        cause, effect = edges[int(draw.integers(len(edges)))]
        removed, added, hidden = [(cause, effect)], list[tuple[str, str]](), ""
        match int(draw.integers(4)):
            case 0 if cause not in ("grade",):
                added = [(effect, cause)]
            case 1:
                missing = [(p, q) for q in "bcde" for p in "abcd" if p < q and (p, q) not in edges]
                removed, added = ([], missing[:1]) if missing else (removed, [])
            case 2:
                hidden = f"confounders = [{{between = ['{cause}', '{effect}']}}]"
        theirs = [edge for edge in edges if edge not in removed] + added
        order = {n: {p for p, q in theirs if q == n} for n in SCHEMA.names}
        try:
            tuple(TopologicalSorter(order).static_order())
        except CycleError:
            added, theirs = [], [edge for edge in edges if edge not in removed]
        lines += [f"[[alternatives]]\nname = 'other-{k}'\nweight = {draw.choice(WEIGHTS)}"]
        lines += [f"{key} = {[list(p) for p in pairs]}" for key, pairs in
                  (("remove", removed), ("add", added)) if pairs]  # fmt: skip
        lines += [hidden] if hidden else []
        for name in sorted({q for _, q in removed + added}):
            parents = [n for n in SCHEMA.names if n in {p for p, q in theirs if q == name}]
            able = [k for k in kinds if k not in ("none", "onnx")]
            own = dict[str, bytes]()
            if parents:
                said = _mechanism(draw, name, parents, str(draw.choice(able)), own)
                for file, data in own.items():
                    other = file.replace("mechanisms/", f"mechanisms/other-{k}.")
                    said, files[other] = [t.replace(file, other) for t in said], data
                lines += [f"[alternatives.mechanisms.{name}]", *said]
    return Documents(b"\n".join([documents.text, *map(str.encode, lines)]), files, documents.kinds)


def _mechanism(
    draw: np.random.Generator, name: str, parents: list[str], kind: str, files: dict[str, bytes]
) -> list[str]:
    w = [round(float(v), 3) for v in draw.normal(size=len(parents))]
    total = " + ".join(f"{c} * {p}" for c, p in zip(w, parents, strict=True))
    if kind == "linear":
        table = ", ".join(f"{p} = {c}" for c, p in zip(w, parents, strict=True))
        return ["kind = 'linear'", "intercept = 0.25", f"coefficients = {{{table}}}"]
    if kind == "polynomial":
        powers = [
            f"{{coefficient = {c}, powers = {{{p} = 2}}}}" for c, p in zip(w, parents, strict=True)
        ]
        last = f"{{coefficient = 0.1, powers = {{{parents[0]} = 1, {parents[-1]} = 1}}}}"
        mixed = [last] if len(parents) > 1 else []
        return [
            "kind = 'polynomial'",
            f"terms = [{', '.join([*powers, *mixed, '{coefficient = 2}'])}]",
        ]
    p, q = parents[0], parents[-1]
    bent = (
        f"2 * tanh(({total}) / 5) + (sqrt(1 + {p}**2) if {q} > 0.5 else max({p}, -abs({q}), 0.1))"
    )
    if kind == "expression":
        return ["kind = 'expression'", f'expression = "{bent}"']
    if kind == "location-scale":
        return ["kind = 'expression'", "noise = 'location-scale'", f'expression = "{bent}"',
                f'log_scale = "tanh(({total}) / 9) - 1"']  # fmt: skip
    if kind in ("basis", "scaled basis"):
        scale = _bumps(draw, parents, 0.02) if kind == "scaled basis" else None
        mechanism = Mechanism(_bumps(draw, parents, 0.3), scale, Noise(1.0))
        data, file = mechanism_to_json(name, parents, mechanism), f"mechanisms/{name}.json"
        noise = "location-scale" if scale else "additive"
        return ["kind = 'basis'", f"noise = '{noise}'", *_named(file, data, files)]
    data = _net(len(parents)) if kind == "onnx" else _forest(len(parents))
    members = ["members = 3"] if kind == "ensembles" else []
    of = "onnx" if kind == "onnx" else "trees"
    return [f"kind = '{of}'", *members, *_named(f"mechanisms/{name}.onnx", data, files)]


def _named(file: str, data: bytes, files: dict[str, bytes]) -> list[str]:
    files[file] = data
    return [f"file = '{file}'", f"sha256 = '{hashlib.sha256(data).hexdigest()}'"]


def _bumps(draw: np.random.Generator, parents: list[str], size: float) -> Basis:
    """Numbers standardised, grades as indicators; lines and bumps; known give or take ``root``."""
    parent, level = [], []
    for i, name in enumerate(parents):
        levels: list[float] = [1.0, 2.0] if name == "grade" else [np.nan]
        parent += [i] * len(levels)
        level += levels
    n = len(parent)
    coordinates = Coordinates(
        np.array(parent), np.array(level), draw.normal(size=n), draw.uniform(1.0, 4.0, n),
        len(parents),
    )  # fmt: skip
    exponents = np.vstack([np.zeros((1, n), dtype=np.int64), np.eye(n, dtype=np.int64)])
    expansion = Expansion(
        coordinates, exponents, draw.normal(size=(3, n)), draw.uniform(0.0, 1.0, (3, n))
    )
    k = n + 4
    root = 0.1 * draw.normal(size=(k, 3))
    return Basis(expansion, size * draw.normal(size=k), size * root, 0.5, 2.0)


@cache
def _forest(p: int) -> bytes:
    """Six small trees: three ensembles of two."""
    draw = np.random.default_rng(p)
    x = draw.uniform(-3.0, 3.0, (200, p)).astype(np.float32)
    y = np.round(4.0 * (np.sin(x).sum(axis=1) + 0.1 * draw.normal(size=200)), 1)
    forest = GradientBoostingRegressor(n_estimators=6, max_depth=2, random_state=0, learning_rate=1)
    return to_bytes(export_onnx(forest.fit(x, y), p, name="effect"))


@cache
def _net(p: int) -> bytes:
    draw = np.random.default_rng(p)
    line = LinearRegression().fit(draw.normal(size=(50, p)), draw.normal(size=50))
    return to_bytes(export_onnx(line, p, name="effect"))
