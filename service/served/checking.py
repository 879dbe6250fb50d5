"""The documents of a model folder for the checker, which reads them by code of its own.

Imports no engine, no store and no web framework: ``ifonly verify`` runs on this alone.
"""

from __future__ import annotations

from dataclasses import replace

from ifonly.explainers.verify import Rulebook
from ifonly.explainers.verify.laws import Laws
from ifonly.explainers.verify.passing import Passing, read_passing
from ifonly.explainers.verify.read_laws import OpenGraph, read_laws
from ifonly.explainers.verify.window import WindowMoves, read_moves
from ifonly.models.errors import SpecError
from ifonly.models.graph.forms import GraphForm
from ifonly.models.graph.reading import read_graph
from ifonly.models.onnx import Guard, load_regressor
from ifonly.models.predictor import Predictor
from ifonly.models.repository import DeployedModel
from ifonly.models.schema import Schema
from ifonly.models.window import Window, document_schema, window_of


def rulebook_of(deployed: DeployedModel) -> Rulebook:
    """Everything that the folder says an answer must keep.

    Raises
    ------
    SpecError
        If the checker cannot read what the engines could: then nothing of this model is answered.
    """
    spec = deployed.spec
    try:
        # Read anew, by the checker's own reader: it shares no mistake with the engines.
        laws, window = laws_of(deployed), window_of(spec.schema)
        book = Rulebook.read(
            spec.policy,
            spec.schema,
            spec.decision,
            deployed.reference,
            deployed.plausibility,
            None if window is not None else laws,
            () if laws is None or window is not None else laws.never_set,
        )
        if window is not None:
            return book.of_window(*moves_of(deployed, window, laws))
        return replace(book, passing=passing_of(deployed, laws))
    # Refused as a folder: a model that cannot be checked must not answer.
    except (KeyError, TypeError, ValueError) as error:
        file = f"{deployed.name}/{deployed.version}/spec.toml"
        raise SpecError(file, "policy", f"cannot be checked: {error}") from error


def laws_of(deployed: DeployedModel) -> Laws | None:
    """What ``causal.toml`` says follows from what; None if there is none that is accepted."""
    if deployed.causal is None:
        return None
    schema = document_schema(deployed.spec.schema)
    files, policy = deployed.causal_files, deployed.spec.policy
    return read_laws(deployed.causal, files, schema, policy, graph_opener(schema, deployed.guard))


def moves_of(
    deployed: DeployedModel, window: Window, laws: Laws | None
) -> tuple[WindowMoves, WindowMoves | None]:
    """What follows in a window from its profiles alone, and with what ``causal.toml`` says."""
    alone = read_moves(window, None, None)
    return alone, None if laws is None else read_moves(window, deployed.causal, laws)


def passing_of(deployed: DeployedModel, laws: Laws | None) -> Passing | None:
    """When it says that things follow; None if it does not."""
    if deployed.causal is None or laws is None:
        return None
    return read_passing(deployed.causal, deployed.spec.schema, laws)


def graph_opener(schema: Schema, guard: Guard | None = None) -> OpenGraph:
    """How mechanisms that are ONNX graphs over features of ``schema`` are opened: each in a
    session of its own."""

    def open_graph(
        data: bytes, parents: tuple[str, ...], as_trees: bool
    ) -> tuple[Predictor, GraphForm | None]:
        causes = Schema(tuple(schema[name] for name in parents))
        # Under the guard, for mechanisms are strangers' graphs too.
        predictor = load_regressor(data, causes, guard=guard)
        if not as_trees:
            return predictor, None
        return predictor, read_graph(predictor.model, predictor.encoding, predictor.columns)

    return open_graph
