"""Questions of generated models, as the compiled search is asked them."""

from __future__ import annotations

from dataclasses import replace
from functools import cache
from typing import Any

from ifonly.explainers.constraints import Origin, Source, Survives
from ifonly.explainers.search.trees import layout
from ifonly.explainers.search.trees.engine import Trees
from ifonly.explainers.search.trees.table_search import SearchInstance
from ifonly.models.schema import Task
from tests.support.deployed import deployed_trees
from tests.support.generated import SCHEMA
from tests.support.kinds import KINDS
from tests.support.questions import question

_layout: Any = layout
TASKS = tuple(Task)
SURVIVES = Survives((0.15, 8.0, 0.0, 0.0, 0.06), origin=Origin(Source.REQUEST, "robust"))


@cache
def instance(seed: int) -> SearchInstance:
    """Of every kind of constraint and task; some must survive the sensors, some have long axes."""
    task = TASKS[seed % 3]
    problem, _, _ = question((KINDS[seed % len(KINDS)],), seed, task)
    if seed % 4 == 3:
        problem = replace(problem, constraints=(*problem.constraints, SURVIVES))
    listed = _layout.LONGEST_LISTED
    _layout.LONGEST_LISTED = 0 if seed % 5 == 4 else listed
    try:
        return Trees(deployed_trees(seed % 20, task).form, SCHEMA)._in_arrays(problem)
    finally:
        _layout.LONGEST_LISTED = listed
