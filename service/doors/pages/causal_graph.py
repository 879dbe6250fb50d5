"""A causal graph as a drawing: causes on the left, what follows to the right of them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from ifonly.explainers.causal import CausalSpec
from ifonly.explainers.wording import Language
from ifonly.service.words.labels import label

Mark = Literal["set", "follows", "plain"]

WIDTH, HEIGHT = 208, 54
ACROSS, DOWN = 56, 16
MARGIN = 3


@dataclass(frozen=True, slots=True)
class DrawnNode:
    """A feature. ``x``, ``y``: its corner, top left."""

    name: str
    label: str
    x: int
    y: int
    mark: Mark
    note: str
    """A second line."""


@dataclass(frozen=True, slots=True)
class DrawnEdge:
    """From a cause to what follows from it."""

    cause: str
    effect: str
    path: str
    is_live: bool
    """Whether something moves along it."""


@dataclass(frozen=True, slots=True)
class Drawing:
    """In units of its own; ``nodes`` and ``edges`` in reading order."""

    width: int
    height: int
    nodes: tuple[DrawnNode, ...]
    edges: tuple[DrawnEdge, ...]
    node_width: int = WIDTH
    node_height: int = HEIGHT


def drawn(
    spec: CausalSpec,
    tag: Language,
    marks: Mapping[str, Mark] | None = None,
    notes: Mapping[str, str] | None = None,
    *,
    whole: bool = True,
) -> Drawing:
    """The features and the edges between them; ``whole``: also those that are tied to nothing
    and not marked."""
    marks, notes = marks or {}, notes or {}
    names = spec.schema.names
    edges = [(names[i], names[j]) for i, j in spec.graph.edges]
    tied = {name for edge in edges for name in edge}
    layers = _layers([n for n in names if whole or n in tied or n in marks], edges)
    deepest = max((len(layer) for layer in layers), default=0)
    nodes = [
        DrawnNode(
            name,
            label(spec.schema[name], tag),
            MARGIN + k * (WIDTH + ACROSS),
            MARGIN + row * (HEIGHT + DOWN),
            marks.get(name, "plain"),
            notes.get(name, ""),
        )
        for k, layer in enumerate(layers)
        for row, name in enumerate(layer)
    ]
    at = {node.name: node for node in nodes}
    return Drawing(
        2 * MARGIN + len(layers) * (WIDTH + ACROSS) - ACROSS,
        2 * MARGIN + deepest * (HEIGHT + DOWN) - DOWN,
        tuple(nodes),
        tuple(_edge(at[cause], at[effect]) for cause, effect in edges),
    )


def _layers(names: list[str], edges: list[tuple[str, str]]) -> list[list[str]]:
    """Each name one layer after the last of its causes; those that are tied to nothing last."""
    depth = dict.fromkeys(names, 0)
    # As often as there are names: no path has more edges.
    for _ in names:
        for cause, effect in edges:
            depth[effect] = max(depth[effect], depth[cause] + 1)
    tied = {name for edge in edges for name in edge}
    order = sorted(names, key=lambda name: name not in tied)
    return [[n for n in order if depth[n] == k] for k in range(max(depth.values(), default=-1) + 1)]


def _edge(cause: DrawnNode, effect: DrawnNode) -> DrawnEdge:
    x1, y1 = cause.x + WIDTH, cause.y + HEIGHT // 2
    # Short of the node: the arrow's head takes the rest.
    x2, y2 = effect.x - 7, effect.y + HEIGHT // 2
    bend = (x1 + x2) // 2
    return DrawnEdge(
        cause.name,
        effect.name,
        f"M{x1} {y1}C{bend} {y1} {bend} {y2} {x2} {y2}",
        cause.mark != "plain" and effect.mark == "follows",
    )
