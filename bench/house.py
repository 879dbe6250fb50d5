"""The picture of the house in ``docs/architecture.md``, drawn from the imports as they are.

    python -m bench.house [--check]

For each of `models`, `explainers` and `service` one drawing: its packages and modules, an arrow
from each to what it imports. Arrows that follow from others are left out (transitive reduction);
there are no circles, which a contract sees to.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Mapping
from pathlib import Path

import grimp

from bench.generated import main

ROOT = Path(__file__).resolve().parents[1]
PAGE = ROOT / "docs" / "architecture.md"
DRAWING = re.compile(r"<!-- house: (\w+) -->\n.*?<!-- end -->\n", re.DOTALL)
Arrows = Mapping[str, frozenset[str]]


def arrows(graph: grimp.ImportGraph, root: str) -> Arrows:
    """What each child of ``root`` imports of the others, itself or anything in it."""
    children = sorted(graph.find_children(root))
    inside = {child: {child, *graph.find_descendants(child)} for child in children}
    of = {module: child for child, modules in inside.items() for module in modules}
    imported = {
        child: {of[m] for one in modules for m in graph.find_modules_directly_imported_by(one)
                if m in of}
        for child, modules in inside.items()
    }  # fmt: skip
    return {child: frozenset(found - {child}) for child, found in imported.items()}


def reduced(whole: Arrows) -> Arrows:
    """Without the arrows that follow from others."""
    below: dict[str, frozenset[str]] = {}

    def reach(child: str) -> frozenset[str]:
        if child not in below:
            below[child] = whole[child].union(*map(reach, whole[child]))
        return below[child]

    return {
        child: found - frozenset[str]().union(*(reach(other) for other in found))
        for child, found in whole.items()
    }


def drawn(graph: grimp.ImportGraph, root: str) -> str:
    """A mermaid chart."""
    lines = ["```mermaid", "flowchart TD"]
    for child, found in sorted(reduced(arrows(graph, root)).items()):
        name = child.rpartition(".")[2].strip("_")
        shape = f"[[{name}]]" if graph.find_children(child) else f"[{name}]"
        lines.append(f"    {_node(child)}{shape}")
        lines += [f"    {_node(child)} --> {_node(other)}" for other in sorted(found)]
    return "\n".join([*lines, "```\n"])


def _node(module: str) -> str:
    """With its package: `graph` and `end` are words of mermaid's."""
    return module.removeprefix("ifonly.").replace(".", "_").strip("_")


def page(text: str) -> str:
    """The page with its drawings as the imports are now."""
    graph = grimp.build_graph("ifonly")

    def anew(found: re.Match[str]) -> str:
        return f"<!-- house: {found[1]} -->\n{drawn(graph, f'ifonly.{found[1]}')}<!-- end -->\n"

    return DRAWING.sub(anew, text)


if __name__ == "__main__":
    sys.exit(main("house", PAGE, page))
