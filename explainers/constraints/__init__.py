"""What is allowed. Every constraint is hard: kept, or the row is not an answer.

A constraint can do two things: say what keeps it (:meth:`Constraint.kept`, the definition, for
one row in plain numbers as for the columns of many), and cut the axes to a superset of what keeps
it (:meth:`Constraint.narrow`, a help for searches and for finding contradictions). ``narrow`` may
cut too little, never too much.

Where other features follow from what is set, an *action* (the factual with some features set)
leads to another *row*, and each kind speaks of one of the two (:attr:`Constraint.of_action`):

=====================================================  =========================================
the action: what may be set, and how                   Immutable (also a request's ``freeze``),
                                                       Direction, Settable, MaxChange, OnlyTo,
                                                       MaxChanges, LeavesOne, Severed; the grid
the row: what would be read, effects included          Range, NotMissing, Rule (its ``changes``
                                                       too), Plausible; the schema's bounds
=====================================================  =========================================

Where nothing follows, action and row are the same.
"""

from ifonly.explainers.constraints.base import Constraint, Origin, Scorer, Single, Source
from ifonly.explainers.constraints.cells import Axes, Cells, Factual, replaced
from ifonly.explainers.constraints.conditions import (
    NEGATED,
    Changes,
    Comparison,
    Condition,
    IsIn,
    Relation,
    Truth,
)
from ifonly.explainers.constraints.direction import Direction, Sense
from ifonly.explainers.constraints.immutable import Immutable
from ifonly.explainers.constraints.leaves_one import LeavesOne
from ifonly.explainers.constraints.max_change import MaxChange
from ifonly.explainers.constraints.max_changes import MaxChanges
from ifonly.explainers.constraints.not_missing import NotMissing
from ifonly.explainers.constraints.only_to import OnlyTo
from ifonly.explainers.constraints.plausible import Plausible
from ifonly.explainers.constraints.propagation import conflict, cut_singly, propagate
from ifonly.explainers.constraints.ranges import Range
from ifonly.explainers.constraints.rule import Rule
from ifonly.explainers.constraints.settable import Settable
from ifonly.explainers.constraints.severed import Severed
from ifonly.explainers.constraints.survives import Survives
from ifonly.explainers.space import Mask

__all__ = [
    "NEGATED",
    "Axes",
    "Cells",
    "Changes",
    "Comparison",
    "Condition",
    "Constraint",
    "Direction",
    "Factual",
    "Immutable",
    "IsIn",
    "LeavesOne",
    "Mask",
    "MaxChange",
    "MaxChanges",
    "NotMissing",
    "OnlyTo",
    "Origin",
    "Plausible",
    "Range",
    "Relation",
    "Rule",
    "Scorer",
    "Sense",
    "Settable",
    "Severed",
    "Single",
    "Source",
    "Survives",
    "Truth",
    "conflict",
    "cut_singly",
    "propagate",
    "replaced",
]
