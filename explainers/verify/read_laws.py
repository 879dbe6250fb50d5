"""``causal.toml`` and the files that it names, read into :class:`~.laws.Laws`."""

from __future__ import annotations

import json
import tomllib
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any

from ifonly.explainers.verify.failed import read_failed
from ifonly.explainers.verify.formula import GraphFormula, WeightedSum, Written
from ifonly.explainers.verify.laws import N_VERSIONS, Law, Laws, OtherLaws
from ifonly.explainers.verify.named_files import named_file
from ifonly.explainers.verify.redrawn import Spread, read_lasting, read_spread
from ifonly.explainers.verify.shared_causes import read_shared
from ifonly.models.graph.forms import GraphForm
from ifonly.models.predictor import Predictor
from ifonly.models.schema import Kind, Schema

OpenGraph = Callable[[bytes, tuple[str, ...], bool], tuple[Predictor, GraphForm | None]]
"""Opens an ONNX graph over named parents: a session of its own, and, if asked for, its trees."""

LEAST_WEIGHT = 0.05
"""Of a graph in which an action must do by itself."""


def read_laws(
    text: bytes,
    files: Mapping[str, bytes],
    schema: Schema,
    policy: Mapping[str, Any],
    open_graph: OpenGraph | None = None,
) -> Laws | None:
    """What ``causal.toml`` says; None if nobody has accepted it. ``files`` are the bytes of what
    it names, by path.

    Raises
    ------
    ValueError
        If a file is missing or is not what its digest says.
    """
    document = tomllib.loads(text.decode("utf-8-sig"))
    # A proposal of a discovery run is no law until a person has accepted it.
    if document["status"] != "accepted":
        return None
    parents, failed = _parents(document, schema), read_failed(document, schema)
    demands = policy.get("causal", {})
    main = Laws(
        parents,
        tuple(_laws(document, schema, parents, files, open_graph)),
        frozenset(j for j, f in enumerate(schema.features) if f.kind is Kind.INTEGER),
        tuple(n for n in schema.names if document["nodes"][n]["role"] != "actionable"),
        float(demands.get("gamma", Laws.gamma)),
        float(demands.get("floor", Laws.floor)),
        shared=tuple(read_shared(document, files, schema, parents)),
        failed=failed or (),
        lasting=read_lasting(document, schema, N_VERSIONS),
    )
    main = replace(main, spreads=_spreads(document, files, schema, main))
    least = float(demands.get("graph_weight", LEAST_WEIGHT))
    others = []
    for table in document.get("alternatives", ()):
        weight = float(table["weight"])
        laws = _other_laws(document, table, schema, files, open_graph, main)
        others.append(OtherLaws(table["name"], weight, weight >= least, laws))
    return replace(main, others=tuple(others))


def _other_laws(
    document: Mapping[str, Any],
    table: Mapping[str, Any],
    schema: Schema,
    files: Mapping[str, bytes],
    open_graph: OpenGraph | None,
    main: Laws,
) -> Laws:
    """The laws of an alternative, by the document that it would be."""
    gone, new = ([tuple(pair) for pair in table.get(key, ())] for key in ("remove", "add"))
    mechanisms, own = dict(document.get("mechanisms", {})), set[int]()
    for cause, effect in (*gone, *new):
        # What nobody reads is part of the noise, whatever it acts on.
        if cause in schema:
            own.add(schema.index(effect))
            mechanisms.pop(effect, None)
    edges = [e for e in document.get("edges", ()) if (e["from"], e["to"]) not in gone]
    edges += [{"from": cause, "to": effect} for cause, effect in new]
    # The last that is said of two features counts.
    hidden = (*document.get("confounders", ()), *table.get("confounders", ()))
    mechanisms.update(table.get("mechanisms", {}))
    other = {**document, "edges": edges, "mechanisms": mechanisms, "confounders": hidden}
    parents = _parents(other, schema)
    each = _laws(other, schema, parents, files, open_graph, tuple(sorted(own)))
    laws = [found if j in own else main.laws[j] for j, found in enumerate(each)]
    return replace(
        main,
        spreads=_spreads(other, files, schema, main),
        parents=parents,
        laws=tuple(laws),
        shared=tuple(read_shared(other, files, schema, parents)),
        failed=(),
        known=(tuple(sorted(own)), main),
    )


def _spreads(
    document: Mapping[str, Any], files: Mapping[str, bytes], schema: Schema, laws: Laws
) -> dict[int, Spread | None]:
    if laws.lasting is None:
        return {}
    columns = (kept.column for kept in laws.lasting.each)
    return {j: read_spread(document, schema.names[j], files) for j in columns}


def _laws(
    document: Mapping[str, Any],
    schema: Schema,
    parents: Sequence[Sequence[int]],
    files: Mapping[str, bytes],
    open_graph: OpenGraph | None,
    only: Sequence[int] | None = None,
) -> Iterator[Law | None]:
    """The law of each column, or of some ``only``; None where there is none."""
    mechanisms = document.get("mechanisms", {})
    for j, name in enumerate(schema.names):
        causes = tuple(schema.names[i] for i in parents[j])
        wanted = only is None or j in only
        yield _law(mechanisms.get(name), causes, files, open_graph) if wanted else None


def _parents(document: Mapping[str, Any], schema: Schema) -> tuple[tuple[int, ...], ...]:
    """Edges between features; what earlier values and latent nodes do is part of the noise."""
    causes: list[set[int]] = [set() for _ in schema.names]
    for edge in document.get("edges", ()):
        if edge["from"] in schema:
            causes[schema.index(edge["to"])].add(schema.index(edge["from"]))
    # Sorted, as files name parents in the schema's order.
    return tuple(tuple(sorted(own)) for own in causes)


def _law(
    table: Mapping[str, Any] | None,
    parents: tuple[str, ...],
    files: Mapping[str, bytes],
    open_graph: OpenGraph | None,
) -> Law | None:
    # A root has no law; a node with causes and no mechanism must not move.
    if table is None or table["kind"] == "root":
        return None
    if "file" in table:
        return _law_of_file(table, named_file(table, files), parents, open_graph)
    if table["kind"] == "linear":
        return Law(_line(table.get("intercept", 0.0), [table["coefficients"][n] for n in parents]))
    if table["kind"] == "polynomial":
        return Law(WeightedSum.of_terms(len(parents), [_term(t, parents) for t in table["terms"]]))
    scale = table.get("log_scale") if table.get("noise") == "location-scale" else None
    return Law(
        Written(table["expression"], parents), None if scale is None else Written(scale, parents)
    )


def _law_of_file(
    table: Mapping[str, Any], data: bytes, parents: tuple[str, ...], open_graph: OpenGraph | None
) -> Law:
    if table["kind"] in ("trees", "onnx"):
        if open_graph is None:
            raise ValueError(f"{table['file']} is an ONNX graph, and none are read here")
        members = int(table.get("members", 0)) if table["kind"] == "trees" else 0
        predictor, form = open_graph(data, parents, bool(members))
        return Law(GraphFormula(predictor, form, members))
    document = json.loads(data)
    # Weights are by place: with parents in another order they would be others' weights.
    if document["parents"] != list(parents):
        raise ValueError(f"{table['file']} has parents {document['parents']}, not {list(parents)}")
    scale = document["log_scale"]
    return Law(
        WeightedSum.read(document["location"]), None if scale is None else WeightedSum.read(scale)
    )


def _line(intercept: float, slopes: Sequence[float]) -> WeightedSum:
    p = len(slopes)
    terms: list[tuple[Sequence[int], float]] = [([0] * p, float(intercept))]
    terms += [([int(i == b) for i in range(p)], float(slope)) for b, slope in enumerate(slopes)]
    return WeightedSum.of_terms(p, terms)


def _term(table: Mapping[str, Any], parents: Sequence[str]) -> tuple[Sequence[int], float]:
    powers = table.get("powers", {})
    return [int(powers.get(name, 0)) for name in parents], float(table["coefficient"])
