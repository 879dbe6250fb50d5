"""``ifonly causal alternatives``: other graphs that rows cannot exclude beside the declared one."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from typing import Annotated, Any

import numpy as np
import typer

from ifonly.explainers.causal import CausalSpec
from ifonly.explainers.causal.alternatives import EdgeRuns, GraphDoubt, edge_runs
from ifonly.explainers.causal.fit import fit_alternatives
from ifonly.explainers.causal.which_graphs import Edge
from ifonly.models.predictor import Rows
from ifonly.models.repository import load_folder
from ifonly.service.doors.cli.causal import (
    Data,
    Folder,
    Seed,
    graph_of,
    rows_for,
    write_mechanisms,
)
from ifonly.service.doors.cli.console import AsJson, Failure, out, print_json
from ifonly.service.doors.cli.graph_doubts import find, show_alternatives, with_alternatives
from ifonly.service.doors.cli.languages import Languages, languages_of
from ifonly.service.offline.discovery import ALGORITHMS, DiscoveryFailed, discover
from ifonly.service.offline.discovery.knowledge import BadKnowledge, Knowledge
from ifonly.service.offline.discovery.study import Study, UnfitRows
from ifonly.service.served.causal_graphs import graph_loader
from ifonly.service.words import graphs as words


def alternatives_command(
    folder: Folder,
    data: Data = None,
    bootstrap: Annotated[
        int,
        typer.Option(
            "--bootstrap",
            min=0,
            help="Weigh directions by graphs found in rows drawn again so often (extra "
            "`discovery`). Default: by how likely rows are that were held out.",
        ),
    ] = 0,
    algorithm: Annotated[
        str,
        typer.Option(
            "--algorithm", help=f"Of --bootstrap, which needs one: {', '.join(ALGORITHMS)}."
        ),
    ] = "",
    seconds: Annotated[
        float, typer.Option("--seconds", min=1, help="Of --bootstrap: then it is ended.")
    ] = 120.0,
    python: Annotated[
        str, typer.Option("--python", help="Interpreter that has the extra `discovery`.")
    ] = sys.executable,
    doubt_all: Annotated[
        bool, typer.Option("--all", help="Doubt edges of physics and of experiments, too.")
    ] = False,
    write: Annotated[
        bool, typer.Option("--write", help="Into causal.toml: answers then hold under all of them.")
    ] = False,
    seed: Seed = 0,
    lang: Languages = None,
    as_json: AsJson = False,
) -> None:
    """Find the other graphs that rows cannot exclude: an edge turned round, none at all, a hidden
    cause. What people gave is kept."""
    model = load_folder(folder.resolve())
    spec, rows = graph_of(model, None), rows_for(model, data, seed)
    runs = None
    if bootstrap:
        # None by default: what one takes for granted (lines, say) decides directions.
        if not algorithm:
            raise Failure(f"--bootstrap needs --algorithm: {', '.join(ALGORITHMS)}")
        if algorithm not in ALGORITHMS:
            raise Failure(f"--algorithm is {algorithm!r}, not one of {', '.join(ALGORITHMS)}")
        runs = _runs(spec, rows, algorithm, bootstrap, seconds, seed, python)
    found = find(spec, rows, seed, doubt_all, runs)
    if as_json:
        print_json({"alternatives": [_told(spec, doubt) for doubt in found]})
    else:
        show_alternatives(spec, found, languages_of(lang))
    if write:
        spec, files = fit_alternatives(
            with_alternatives(spec, found),
            rows,
            np.random.default_rng(seed),
            files=model.causal_files,
            load_graph=graph_loader(spec.schema),
        )
        write_mechanisms(folder, files, spec, "Alternatives by `ifonly causal alternatives`.")
        if not as_json:
            out.print(f"written: {len(spec.alternatives)} alternatives")


def _runs(
    spec: CausalSpec,
    rows: Rows,
    algorithm: str,
    runs: int,
    seconds: float,
    seed: int,
    python: str,
) -> Mapping[Edge, EdgeRuns]:
    """Of each edge whose columns take part, how often an algorithm found it so."""
    try:
        # What the graph's roles forbid; its edges are what is in question.
        roles: dict[Any, str] = {}
        for node in spec.nodes.values():
            if node.name in spec.schema:
                named = roles.get(node.role, "")
                roles[node.role] = f"{named},{node.name}" if named else node.name
        study = Study.of(spec.schema, rows, seed)
        forbidden = study.inside(Knowledge.of(spec.schema, (), roles).forbidden)
        found = discover(
            algorithm, study.rows, forbidden, runs=runs, seconds=seconds, seed=seed, python=python
        )
    except (BadKnowledge, UnfitRows, DiscoveryFailed) as error:
        raise Failure(str(error)) from error
    return edge_runs(found.graphs, forbidden, study.columns)


def _told(spec: CausalSpec, doubt: GraphDoubt) -> dict[str, Any]:
    other, weighed = doubt.alternative, doubt.weighed
    return {
        "name": other.name,
        "weight": weighed.weight,
        "kept": weighed.kept,
        "source": other.source,
        "remove": other.remove,
        "add": other.add,
        "confounders": [{"between": c.between, "strength": c.strength} for c in other.confounders],
        "gain_nats_a_row": weighed.gain,
        "standard_error": weighed.error,
        "what": words.differs(spec, other),
        "reason": words.reason(doubt),
        "settled_by": words.settled_by(spec, other),
    }
