"""What a JSON Schema cannot say of ``causal.toml``: nodes, edges, roles and mechanisms that
contradict one another. Each check is given a document of the right shape."""

from __future__ import annotations

from collections.abc import Generator, Iterator, Mapping, Sequence
from difflib import get_close_matches

from ifonly.explainers.causal.errors import InvalidExpression
from ifonly.explainers.causal.expression import Expression
from ifonly.explainers.causal.graph import find_loop
from ifonly.explainers.causal.timing import MOST_STEPS, UNITS, Duration
from ifonly.models.document import Document
from ifonly.models.errors import SpecProblem
from ifonly.models.schema import Schema

_BY_KIND: Mapping[str, tuple[str, ...]] = {
    "linear": ("intercept", "coefficients", "sd"),
    "polynomial": ("terms", "sd"),
    "expression": ("expression", "log_scale", "sd"),
    "basis": (),
    "trees": ("sd", "members"),
    "onnx": ("sd",),
    "root": ("sd",),
}
"""Keys that each kind of mechanism may have beside ``kind``, ``noise`` and a file."""
_FITTED = ("linear", "polynomial", "basis", "trees", "onnx", "root")
"""Kinds that may be in a file."""

MAIN = "main"
"""What the graph is called beside its alternatives."""


def contradictions(document: Document, schema: Schema) -> Iterator[SpecProblem]:
    """Every semantic problem of ``document`` for a model that reads ``schema``."""
    yield from _acceptance(document)
    yield from _nodes(document["nodes"], schema)
    yield from _delays(document, schema)
    edges = list(_edges(document, schema))
    yield from edges
    if edges:
        return  # what follows reads the edges
    yield from _loops(document)
    yield from _roles(document)
    yield from _allowed(document, schema)
    yield from _tested_parts(document, schema)
    yield from _confounders(document, schema)
    yield from _mechanisms(document, schema)
    yield from _alternatives(document, schema)
    yield from _stability(document, schema)


def _acceptance(document: Document) -> Iterator[SpecProblem]:
    if document["status"] != "accepted":
        return
    for key in ("accepted_by", "accepted_at"):
        if key not in document:
            yield SpecProblem(key, "is missing: the status is 'accepted', so someone accepted it")


def _nodes(nodes: Document, schema: Schema) -> Iterator[SpecProblem]:
    for name in schema.names:
        if name not in nodes:
            yield SpecProblem("nodes", f"has no {name!r}: every feature of the model is a node")
    for name, table in nodes.items():
        kind, key = table.get("kind", "feature"), f"nodes.{name}"
        # A lagged node may be a column of the model, or be read by nobody.
        if kind != "lagged" and (kind == "feature") != (name in schema):
            is_one = "is a feature of the model" if name in schema else _unknown(name, schema.names)
            yield SpecProblem(f"{key}.kind", f"is {kind!r}, but {is_one}")
        if kind != "feature" and table["role"] != "fixed":
            yield SpecProblem(f"{key}.role", f"is {table['role']!r}: a {kind} node is 'fixed'")
        for needed in ("of", "lag"):
            if (needed in table) != (kind == "lagged"):
                has = "has no meaning" if needed in table else "is missing"
                yield SpecProblem(f"{key}.{needed}", f"{has} for a {kind} node")
        if "of" in table and table["of"] not in schema:
            yield SpecProblem(f"{key}.of", _unknown(table["of"], schema.names))
        elif kind == "lagged" and name in schema:
            yield from _lagged_feature(name, table["of"], nodes, schema)


def _lagged_feature(name: str, of: str, nodes: Document, schema: Schema) -> Iterator[SpecProblem]:
    key, own, source = f"nodes.{name}.of", schema[name], schema[of]
    if nodes.get(of, {}).get("kind") == "lagged":
        yield SpecProblem(key, f"is {of!r}, which is lagged itself: name what is read now")
    elif (own.kind, own.unit, own.categories) != (source.kind, source.unit, source.categories):
        yield SpecProblem(key, f"is {of!r}, of another kind, unit or categories than {name!r}")
    # One reading has one value; two columns of it could say two.
    own_past = {key: nodes[name].get(key) for key in ("of", "lag")}
    for other in nodes:
        if other == name:
            return
        if other in schema and {key: nodes[other].get(key) for key in ("of", "lag")} == own_past:
            yield SpecProblem(f"nodes.{name}.lag", f"is that of {other!r}, of {of!r} too")


def _delays(document: Document, schema: Schema) -> Iterator[SpecProblem]:
    step = None
    if "time" in document:
        step = yield from _duration("time.step", document["time"]["step"])
    given = [(f"nodes.{name}", name, table) for name, table in document["nodes"].items()]
    given += [(f"edges[{i}]", e["from"], e) for i, e in enumerate(document.get("edges", ()))]
    for place, name, table in given:
        if "delay" in table:
            yield from _delay(f"{place}.delay", table["delay"], step)
            is_gradual = table["delay"].get("shape") == "first-order"
            if is_gradual and name in schema and schema[name].kind.is_categorical:
                problem = f"is 'first-order', but {name} is {schema[name].kind}: nothing is between"
                yield SpecProblem(f"{place}.delay.shape", problem)


def _delay(key: str, delay: Document, step: Duration | None) -> Iterator[SpecProblem]:
    for name, value in delay.items():
        if name not in (*UNITS, "shape") and not isinstance(value, str):
            problem = f"is {value}: {name!r} is no unit of time ({', '.join(UNITS)})"
            yield SpecProblem(f"{key}.{name}", problem)
    own = yield from _duration(key, delay)
    if "shape" in delay and own is None:
        yield SpecProblem(f"{key}.shape", f"has no meaning without a number of {', '.join(UNITS)}")
    if own is None or step is None:
        return
    steps = own.steps(step)
    if steps.denominator != 1 or steps > MOST_STEPS:
        problem = f"is {float(steps):g} steps of {step}: whole steps, and {MOST_STEPS} at most"
        yield SpecProblem(f"{key}.{own.unit}", problem)


def _duration(key: str, table: Document) -> Generator[SpecProblem, None, Duration | None]:
    """The length of time in ``table``; None where there is none that could be read."""
    given = [unit for unit in UNITS if unit in table]
    if len(given) > 1:
        yield SpecProblem(key, f"is given in {' and '.join(given)}; give one unit")
    if len(given) != 1:
        return None
    try:
        return Duration.of(table[given[0]], given[0])
    except ValueError as error:
        yield SpecProblem(f"{key}.{given[0]}", str(error))
        return None


def _unknown(name: str, known: Sequence[str]) -> str:
    close = get_close_matches(name, known, n=1)
    hint = f"; did you mean {close[0]!r}?" if close else f" ({', '.join(known)})"
    return f"{name!r} is not a feature of the model{hint}"


def _edges(document: Document, schema: Schema) -> Iterator[SpecProblem]:
    nodes, seen = document["nodes"], dict[tuple[str, str], int]()
    for i, edge in enumerate(document.get("edges", ())):
        pair, key = (edge["from"], edge["to"]), f"edges[{i}]"
        for end, name in zip(("from", "to"), pair, strict=True):
            if name not in nodes:
                close = get_close_matches(name, list(nodes), n=1)
                hint = f"; did you mean {close[0]!r}?" if close else f" ({', '.join(nodes)})"
                yield SpecProblem(f"{key}.{end}", f"{name!r} is not a node{hint}")
        is_moment = nodes.get(pair[1], {}).get("kind", "feature") == "feature"
        if pair[1] in nodes and not (pair[1] in schema and is_moment):
            yield SpecProblem(
                f"{key}.to", f"{pair[1]!r} is {nodes[pair[1]]['kind']}: nothing acts on it"
            )
        if pair in seen:
            yield SpecProblem(key, _repeated(document["edges"], seen[pair], edge))
        # The first stays, so that messages name it.
        seen.setdefault(pair, i)


def _repeated(edges: Sequence[Document], first: int, edge: Document) -> str:
    signs = edges[first].get("sign", "any"), edge.get("sign", "any")
    text = f"{edge['from']} -> {edge['to']} is already edges[{first}]"
    return text if signs[0] == signs[1] else f"{text}, with sign {signs[0]!r}, not {signs[1]!r}"


def _causes(document: Document) -> dict[str, list[str]]:
    causes: dict[str, list[str]] = {name: [] for name in document["nodes"]}
    for edge in document.get("edges", ()):
        causes[edge["to"]].append(edge["from"])
    return causes


def _loops(document: Document) -> Iterator[SpecProblem]:
    causes = _causes(document)
    names = list(causes)
    loop = find_loop({i: [names.index(c) for c in causes[n]] for i, n in enumerate(names)})
    if loop:
        path = " -> ".join(names[i] for i in loop)
        yield SpecProblem(
            "edges",
            f"form a loop: {path}. Make set-points roots; unroll feedback with lagged nodes",
        )


def _allowed(document: Document, schema: Schema) -> Iterator[SpecProblem]:
    """Edges allowed for what has no effect along them: a slip, for nothing would be allowed."""
    edges = [(e["from"], e["to"]) for e in document.get("edges", ()) if e["from"] in schema]
    index = {name: j for j, name in enumerate(schema.names)}
    pairs = [(index[cause], index[effect]) for cause, effect in edges]
    for i, edge in enumerate(document.get("edges", ())):
        for name in edge.get("allowed_for", ()):
            key = f"edges[{i}].allowed_for"
            if name not in schema:
                yield SpecProblem(key, _unknown(name, schema.names))
            elif name != edge["from"] and edge["from"] not in _below(schema.names, pairs, name):
                yield SpecProblem(
                    key, f"{name!r} has no effect along {edge['from']} -> {edge['to']}"
                )


def _below(names: Sequence[str], pairs: Sequence[tuple[int, int]], name: str) -> set[str]:
    """Features that follow from ``name``."""
    found, waiting = set[int](), [names.index(name)]
    while waiting:
        cause = waiting.pop()
        more = {effect for own, effect in pairs if own == cause} - found
        found |= more
        waiting += more
    return {names[j] for j in found}


def _roles(document: Document) -> Iterator[SpecProblem]:
    nodes, causes = document["nodes"], _causes(document)
    for name, table in nodes.items():
        if table["role"] == "consequence" and not causes[name]:
            yield SpecProblem(
                f"nodes.{name}.role", "is 'consequence', but no edge leads to it: of what?"
            )
        if table["role"] == "fixed":
            lever = _actionable_ancestor(name, nodes, causes)
            if lever:
                yield SpecProblem(
                    f"nodes.{name}.role",
                    f"is 'fixed', but it follows from {lever!r}, which is actionable: a node that "
                    f"moves is a 'consequence'",
                )


def _actionable_ancestor(name: str, nodes: Document, causes: Mapping[str, list[str]]) -> str:
    open_, seen = list(causes[name]), set[str]()
    while open_:
        node = open_.pop()
        if node in seen:
            continue
        seen.add(node)
        if nodes[node]["role"] == "actionable":
            return node
        open_ += causes[node]
    return ""


def _confounders(document: Document, schema: Schema) -> Iterator[SpecProblem]:
    seen: list[frozenset[str]] = []
    for i, table in enumerate(document.get("confounders", ())):
        key, pair = f"confounders[{i}]", frozenset(table["between"])
        for name in table["between"]:
            if name not in schema:
                yield SpecProblem(f"{key}.between", _unknown(name, schema.names))
        if len(pair) == 1:
            yield SpecProblem(f"{key}.between", "names one feature twice")
        if pair in seen:
            yield SpecProblem(f"{key}.between", f"is already confounders[{seen.index(pair)}]")
        seen.append(pair)
        low, high = table.get("rho", (-1, 1))
        if not low <= high:
            yield SpecProblem(f"{key}.rho", f"is [{low}, {high}]; the first must not be above")
        if "rho" in table and "strength" in table:
            yield SpecProblem(f"{key}.strength", "is given beside 'rho'; give one")


def _tested_parts(document: Document, schema: Schema) -> Iterator[SpecProblem]:
    """Whether what is in doubt is there at all."""
    for i, table in enumerate(document.get("doubts", ())):
        given = [("node", name) for name in [table.get("node")] if name is not None]
        given += [("between", name) for name in table.get("between", ())]
        for key, name in given:
            if name not in schema:
                yield SpecProblem(f"doubts[{i}].{key}", _unknown(name, schema.names))
        if len({name for _, name in given}) < len(given):
            yield SpecProblem(f"doubts[{i}].between", "names one feature twice")


def _stability(document: Document, schema: Schema) -> Iterator[SpecProblem]:
    table = document.get("stability", {})
    if "after" in table:
        yield from _duration("stability.after", table["after"])
    for name, own in table.get("nodes", {}).items():
        key = f"stability.nodes.{name}"
        if name not in schema:
            yield SpecProblem(key, _unknown(name, schema.names))
            continue
        if schema[name].kind.is_categorical:
            problem = f"{name} is {schema[name].kind}: a category has no noise to be drawn anew"
            yield SpecProblem(key, problem)
            continue
        mechanism = document.get("mechanisms", {}).get(name, {})
        # Fitted shapes keep their noise in their file; graphs and formulas have it beside them. Of
        # a root a spread alone does not say around what it lies.
        kind = mechanism.get("kind")
        is_in_file = "file" in mechanism and kind not in ("trees", "onnx")
        if not is_in_file and (kind == "root" or "sd" not in mechanism):
            problem = f"nothing is known of how the noise of {name} is distributed: "
            told = "fit it" if kind in (None, "root") else f"give mechanisms.{name}.sd, or fit it"
            yield SpecProblem(key, problem + told)
        stuck = _stuck_below(name, document)
        if stuck:
            problem = f"is drawn anew, and {stuck}, which follows from it, has no mechanism: then "
            yield SpecProblem(key, f"{problem}nobody can tell what it reads; leave {name} out")
        low, high = own.get("interval", (own["rho"], own["rho"]))
        if not low <= own["rho"] <= high:
            problem = f"is [{low}, {high}], and rho, {own['rho']}, is not within"
            yield SpecProblem(f"{key}.interval", problem)


def _stuck_below(name: str, document: Document) -> str:
    """What follows from a node, by any graph, and has no mechanism; empty: nothing."""
    for table in ({}, *document.get("alternatives", ())):
        removed = [(a, b) for a, b in table.get("remove", ())]
        edges = [e for e in document.get("edges", ()) if (e["from"], e["to"]) not in removed]
        own = {**document, "edges": edges + _added(table)}
        changed = {b for _, b in (*removed, *table.get("add", ()))}
        known = {n for n in document.get("mechanisms", {}) if n not in changed}
        causes, open_, seen = _causes(own), [name], {name}
        while open_:
            cause = open_.pop()
            below = [n for n, of in causes.items() if cause in of and n not in seen]
            for n in below:
                if n not in known and n not in table.get("mechanisms", {}):
                    return n
            seen.update(below)
            open_ += below
    return ""


# --- alternatives -------------------------------------------------------------------------


def _alternatives(document: Document, schema: Schema) -> Iterator[SpecProblem]:
    tables = document.get("alternatives", ())
    for i, table in enumerate(tables):
        names = [MAIN, *(other["name"] for other in tables[:i])]
        if table["name"] in names:
            yield SpecProblem(f"alternatives[{i}].name", f"is {table['name']!r}, which is taken")
        if not any(table.get(key) for key in ("remove", "add", "confounders")):
            yield SpecProblem(f"alternatives[{i}]", "is the main graph: it changes nothing")
        problems = list(_changes(table, document, schema))
        # What follows reads the edges.
        problems = problems or list(_other_graph(table, document, schema))
        yield from (SpecProblem(f"alternatives[{i}].{p.key}", p.problem) for p in problems)
    total = sum(table["weight"] for table in tables)
    if total >= 1:
        yield SpecProblem(
            "alternatives", f"have weights that sum to {total}: the main graph must have some"
        )


def _changes(table: Document, document: Document, schema: Schema) -> Iterator[SpecProblem]:
    """Whether its edges can be removed and added."""
    main = [(edge["from"], edge["to"]) for edge in document.get("edges", ())]
    for key in ("remove", "add"):
        pairs = [(a, b) for a, b in table.get(key, ())]
        for k, (cause, effect) in enumerate(pairs):
            if (cause, effect) in pairs[:k]:
                yield SpecProblem(f"{key}[{k}]", f"{cause} -> {effect} is named before")
            if ((cause, effect) in main) != (key == "remove"):
                is_one = "is no edge" if key == "remove" else "is an edge"
                yield SpecProblem(f"{key}[{k}]", f"{cause} -> {effect} {is_one} of the main graph")
    yield from (
        # Told of what was given, not of an edge that is called `edges`.
        SpecProblem(p.key.replace("edges", "add", 1), p.problem)
        for p in _edges({**document, "edges": _added(table)}, schema)
    )


def _added(table: Document) -> list[Document]:
    return [{"from": cause, "to": effect} for cause, effect in table.get("add", ())]


def _other_graph(table: Document, document: Document, schema: Schema) -> Iterator[SpecProblem]:
    removed = [(a, b) for a, b in table.get("remove", ())]
    edges = [e for e in document.get("edges", ()) if (e["from"], e["to"]) not in removed]
    own = {**document, "edges": edges + _added(table)}
    own["confounders"] = table.get("confounders", ())
    own["mechanisms"] = table.get("mechanisms", {})
    yield from _loops(own)
    yield from _confounders(own, schema)
    yield from _mechanisms(own, schema)
    # What is not read is part of the noise, and changes no mechanism.
    pairs = (*removed, *table.get("add", ()))
    changed = {effect for cause, effect in pairs if cause in schema}
    for name in own["mechanisms"]:
        if name in schema and name not in changed:
            yield SpecProblem(
                f"mechanisms.{name}", "has the causes of the main graph, and so its mechanism"
            )


# --- mechanisms ---------------------------------------------------------------------------


def _mechanisms(document: Document, schema: Schema) -> Iterator[SpecProblem]:
    causes = _causes(document)
    for name, table in document.get("mechanisms", {}).items():
        key = f"mechanisms.{name}"
        if name not in schema:
            yield SpecProblem(key, _unknown(name, schema.names))
            continue
        parents = [p for p in schema.names if p in causes[name]]
        # A root is what has no causes, and nothing else is.
        if (table["kind"] == "root") == bool(parents):
            has = f"{name} follows from {', '.join(parents)}" if parents else "nothing acts on it"
            yield SpecProblem(f"{key}.kind", f"is {table['kind']!r}, but {has}")
            continue
        if parents and schema[name].kind.is_categorical:
            yield SpecProblem(
                key,
                f"{name} is {schema[name].kind}: there are no mechanisms for categories. Leave it "
                f"out (the feature then never moves) or make it a root",
            )
        yield from _keys(key, table)
        yield from _parameters(key, table, parents)
        yield from _signs(key, name, table, document)


def _keys(key: str, table: Document) -> Iterator[SpecProblem]:
    kind = table["kind"]
    for given in table:
        allowed = ("kind", "noise", "file", "sha256", *_BY_KIND[kind])
        if given not in allowed:
            yield SpecProblem(f"{key}.{given}", f"has no meaning for a mechanism of kind {kind!r}")
    for a, b in (("file", "sha256"), ("sha256", "file")):
        if a in table and b not in table:
            yield SpecProblem(f"{key}.{b}", f"is missing beside {a!r}")
    inline = {"linear": "coefficients", "polynomial": "terms", "expression": "expression"}
    needed = inline.get(kind, "" if kind == "root" else "file")
    if "file" in table and kind not in _FITTED:
        yield SpecProblem(f"{key}.file", f"has no meaning for a mechanism of kind {kind!r}")
    if "file" in table and needed != "file" and needed in table:
        yield SpecProblem(f"{key}.{needed}", "is given beside 'file'; give one")
    if needed and needed not in table and "file" not in table:
        yield SpecProblem(f"{key}.{needed}", "is missing")
    location_scale = table.get("noise") == "location-scale"
    if location_scale and kind in ("trees", "onnx", "root"):
        yield SpecProblem(f"{key}.noise", f"is 'location-scale': not for kind {kind!r}")
        return
    if "file" not in table and location_scale != ("log_scale" in table):
        has = "is given, but the noise is additive" if "log_scale" in table else "is missing"
        yield SpecProblem(f"{key}.log_scale", f"{has}: location-scale noise has a scale")


def _parameters(key: str, table: Document, parents: Sequence[str]) -> Iterator[SpecProblem]:
    named = [("coefficients", table.get("coefficients", {}))]
    named += [
        (f"terms[{i}].powers", term.get("powers", {}))
        for i, term in enumerate(table.get("terms", ()))
    ]
    for where, given in named:
        for name in given:
            if name not in parents:
                yield SpecProblem(
                    f"{key}.{where}.{name}",
                    f"is not a cause of it ({', '.join(parents) or 'none'})",
                )
    if "coefficients" in table:
        for name in parents:
            if name not in table["coefficients"]:
                yield SpecProblem(f"{key}.coefficients", f"has no {name!r}, which is a cause")
    for formula in ("expression", "log_scale"):
        if formula in table:
            try:
                Expression(table[formula], tuple(parents))
            except InvalidExpression as error:
                yield SpecProblem(f"{key}.{formula}", f"is {error.text!r}: {error.problem}")


def _signs(key: str, name: str, table: Document, document: Document) -> Iterator[SpecProblem]:
    for i, edge in enumerate(document.get("edges", ())):
        coefficient = table.get("coefficients", {}).get(edge["from"])
        sign = edge.get("sign", "any")
        if edge["to"] != name or coefficient is None or sign == "any":
            continue
        # A coefficient of 0 contradicts neither sign.
        if coefficient * (1 if sign == "+" else -1) < 0:
            yield SpecProblem(
                f"{key}.coefficients.{edge['from']}",
                f"is {coefficient}, but edges[{i}] has sign {sign!r}",
            )
