"""``ifonly causal propose``: a graph that an algorithm finds in rows, for a person to review."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import typer
from rich.table import Table
from rich.text import Text

from ifonly.explainers.causal import parse_causal
from ifonly.explainers.causal.alternatives import edge_runs
from ifonly.explainers.causal.discovery import (
    FOLLOWS_UNITS,
    Forbidden,
    GraphProposal,
    propose,
    varsortability,
)
from ifonly.explainers.causal.graph import Graph
from ifonly.explainers.causal.spec import (
    ApprovalStatus,
    CausalEdge,
    CausalNode,
    CausalSpec,
    GraphProvenance,
    NodeKind,
    NodeRole,
)
from ifonly.explainers.causal.writing import write_causal
from ifonly.models.repository import load_folder
from ifonly.models.repository.folder import CAUSAL
from ifonly.service.doors.cli.causal import Data, Folder, Seed, graph_of, rows_for
from ifonly.service.doors.cli.console import Failure, err, out
from ifonly.service.doors.cli.graph_doubts import find, with_alternatives
from ifonly.service.offline.discovery import ALGORITHMS, Discovered, DiscoveryFailed, discover
from ifonly.service.offline.discovery.knowledge import BadKnowledge, Knowledge
from ifonly.service.offline.discovery.study import Study, UnfitRows

COMMENT = "Proposed by `ifonly causal propose`, for review: nothing uses it until it is accepted."


def propose_command(
    folder: Folder,
    data: Data = None,
    algorithm: Annotated[
        str, typer.Option("--algorithm", help=f"One of {', '.join(ALGORITHMS)}.")
    ] = ALGORITHMS[0],
    tier: Annotated[
        list[str] | None,
        typer.Option("--tier", help="Names by comma, once a tier: none acts on an earlier one."),
    ] = None,
    fixed: Annotated[str, typer.Option("--fixed", help="Neither set nor moved.")] = "",
    actionable: Annotated[str, typer.Option("--actionable", help="Can be set.")] = "",
    consequence: Annotated[str, typer.Option("--consequence", help="Moves, is never set.")] = "",
    runs: Annotated[
        int, typer.Option("--runs", min=1, help="Graphs: of all rows, then of rows drawn again.")
    ] = 30,
    least: Annotated[
        float, typer.Option("--least", min=0.05, max=1.0, help="Share of graphs an edge is in.")
    ] = 0.5,
    seconds: Annotated[float, typer.Option("--seconds", min=1, help="Then it is ended.")] = 120.0,
    python: Annotated[
        str, typer.Option("--python", help="Interpreter that has the extra `discovery`.")
    ] = sys.executable,
    as_set: Annotated[
        bool,
        typer.Option(
            "--set",
            help="Propose a weighted set of graphs: edges whose direction is open stand some way "
            "round, and what the runs leave open are alternatives. `fit` learns all of them.",
        ),
    ] = False,
    to: Annotated[
        Path | None, typer.Option("--out", help="Default: causal.toml of the folder.")
    ] = None,
    seed: Seed = 0,
) -> None:
    """Propose a graph, with how often each edge was found. A person accepts it, or does not."""
    if algorithm not in ALGORITHMS:
        raise Failure(f"--algorithm is {algorithm!r}, not one of {', '.join(ALGORITHMS)}")
    model = load_folder(folder.resolve())
    schema = model.spec.schema
    if to is None and model.causal is not None:
        there = graph_of(model, None)
        # A graph that a person accepted is not written over by an algorithm.
        if there.status is not ApprovalStatus.PROPOSED:
            raise Failure(f"{CAUSAL} is there and {there.status}: name another file with --out")
    roles = {
        NodeRole.FIXED: fixed,
        NodeRole.ACTIONABLE: actionable,
        NodeRole.CONSEQUENCE: consequence,
    }
    try:
        knowledge = Knowledge.of(schema, tier or (), roles)
        rows = rows_for(model, data, seed)
        study = Study.of(schema, rows, seed)
        search = _Search(study, study.inside(knowledge.forbidden), runs, seconds, seed, python)
        found = search.by(algorithm)
        proposal = propose(found.graphs, search.forbidden, least, open_edges=as_set)
        notes = [*study.left_out, *_notes(proposal, found, search, least)]
    except (BadKnowledge, UnfitRows, DiscoveryFailed) as error:
        raise Failure(str(error)) from error
    edges = tuple(_edges(proposal, study, found))
    graph = Graph.of(len(schema), [(schema.index(e.cause), schema.index(e.effect)) for e in edges])
    given = knowledge.roles_in(graph, model.spec.policy)
    notes += [
        f"no cause of {n} was found" for n in knowledge.roles if given[n] is not knowledge.roles[n]
    ]
    where = "simulated rows" if data is None else data.name
    spec = CausalSpec(
        version="proposed",
        status=ApprovalStatus.PROPOSED,
        schema=schema,
        nodes={name: CausalNode(name, NodeKind.FEATURE, role) for name, role in given.items()},
        edges=edges,
        confounders=(),
        mechanisms={},
        provenance=GraphProvenance(
            source=f"ifonly causal propose: {algorithm} ({found.library}), {len(found.graphs)} "
            f"graphs of {len(study.rows):,} rows of {where}, seed {seed}; {_told(knowledge)}"
            + "".join(f"; {note}" for note in notes)
        ),
    )
    if as_set:
        runs_seen = edge_runs(found.graphs, search.forbidden, study.columns)
        spec = with_alternatives(spec, find(spec, rows, seed, runs=runs_seen))
    target, text = to or folder / CAUSAL, write_causal(spec, COMMENT)
    # Read back: `accept` must be able to read what is proposed.
    parse_causal(text, str(target), schema)
    target.write_bytes(text)
    _show(edges)
    for note in notes:
        err.print("note:", note, markup=False)
    beside = f" and {len(spec.alternatives)} other graphs" if as_set else ""
    out.print(f"{target}: {len(edges)} edges{beside} proposed", markup=False)


@dataclass(frozen=True, eq=False)
class _Search:
    study: Study
    forbidden: Forbidden
    """Of the columns that take part."""
    runs: int
    seconds: float
    seed: int
    python: str

    def by(self, algorithm: str, runs: int = 0) -> Discovered:
        return discover(
            algorithm,
            self.study.rows,
            self.forbidden,
            runs=runs or self.runs,
            seconds=self.seconds,
            seed=self.seed,
            python=self.python,
        )


def _edges(proposal: GraphProposal, study: Study, found: Discovered) -> Iterator[CausalEdge]:
    names = [study.schema.names[j] for j in study.columns]
    for edge in proposal.edges:
        yield CausalEdge(
            names[edge.cause],
            names[edge.effect],
            source="discovery",
            evidence=f"{found.algorithm}: joined in {edge.joined:.0%} of {len(found.graphs)} "
            f"graphs, this way round in {edge.directed:.0%} of those",
        )


def _notes(
    proposal: GraphProposal, found: Discovered, search: _Search, least: float
) -> Iterator[str]:
    names = [search.study.schema.names[j] for j in search.study.columns]
    for i, j in proposal.undecided:
        yield f"{names[i]} and {names[j]} are joined, which way round was not found"
    # Fewer graphs make shares less certain, so it is said in the file.
    if len(found.graphs) < found.asked:
        got = f"{len(found.graphs)} of {found.asked} graphs"
        yield f"ended after {search.seconds:g} s with {got}"
    pairs = [(edge.cause, edge.effect) for edge in proposal.edges]
    sorted_by = varsortability(Graph.of(len(names), pairs), search.study.rows)
    yield f"varsortability {sorted_by:.2f}" if pairs else "no edge was found"
    if found.algorithm == "notears":
        again = propose(search.by("notears-standardised", 1).graphs, search.forbidden, least)
        kept = {(e.cause, e.effect) for e in again.edges} & set(pairs)
        yield (
            "NOTEARS orders by variance, and so by the units: with every column standardised "
            f"{len(kept)} of its {len(pairs)} edges remain"
        )
    # Reisach et al. 2021: on such data a sort by variance does as well as discovery.
    if sorted_by >= FOLLOWS_UNITS:
        yield "nearly every edge leads to the larger variance: this may be a graph of the units"


def _told(knowledge: Knowledge) -> str:
    tiers = " < ".join(", ".join(tier) for tier in knowledge.tiers)
    roles = ", ".join(f"{name} {role}" for name, role in knowledge.roles.items())
    told = [f"tiers {tiers}"] * bool(tiers) + [f"roles {roles}"] * bool(roles)
    return " and ".join(told) or "nothing known beforehand"


def _show(edges: Sequence[CausalEdge]) -> None:
    table = Table("cause", "effect", "evidence")
    for edge in edges:
        table.add_row(Text(edge.cause), Text(edge.effect), Text(str(edge.evidence)))
    out.print(table)
