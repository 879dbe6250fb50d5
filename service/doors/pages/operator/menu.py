"""What a few levers can do alone, as a table; and between what all settings may be chosen."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from ifonly.explainers.wording import Language
from ifonly.explainers.wording.numerals import figure
from ifonly.service.words.catalogue import say
from ifonly.service.words.menu import verdict

Json = Mapping[str, Any]
ORDER = ("optimal", "feasible", "infeasible", "unknown")
"""Of what can be told of sets, the most useful first."""


@dataclass(frozen=True, slots=True)
class MenuRow:
    """One set of levers."""

    label: str
    status: str
    verdict: str
    """In a few words."""
    changes: tuple[tuple[str, str, str], ...]
    """What is set: its label, from what, to what."""
    cost: str
    order: tuple[int, float, int]
    """By what can be told, by cost, and as the reply has it; ascending."""
    settings: Mapping[str, str]
    """What is set, as a form sends it."""


@dataclass(frozen=True, slots=True)
class MenuTable:
    """All sets of one answer, those that can first, the cheapest of them first."""

    summary: str
    rows: tuple[MenuRow, ...]


@dataclass(frozen=True, slots=True)
class BoxRow:
    """One side of a joint box."""

    label: str
    low: str
    high: str
    below: str
    """Why it goes no lower."""
    above: str

    @property
    def is_one(self) -> bool:
        """Whether it is a single value."""
        return self.low == self.high


@dataclass(frozen=True)
class MenuReader:
    """Reads them in one language."""

    tag: Language
    said: Callable[[Mapping[str, str]], str]
    value: Callable[..., str]
    """Of a part of a counterfactual, one of its values as people read it."""

    def table(self, answer: Json) -> MenuTable | None:
        """None where the answer tells no menu."""
        menu = answer.get("menu")
        if menu is None:
            return None
        rows = [self._row(some, menu, place) for place, some in enumerate(menu["sets"])]
        rows.sort(key=lambda row: row.order)
        return MenuTable(self.said(menu["text"]), tuple(rows))

    def _row(self, some: Json, menu: Json, place: int) -> MenuRow:
        found, cost = some.get("counterfactual"), None
        if found is not None:
            cost = found["cost"]
        elif some.get("same_as") is not None:
            inner = (o for o in menu["sets"] if o["levers"] == some["same_as"])
            cost = next(((o.get("counterfactual") or {}).get("cost") for o in inner), None)
        actions = [] if found is None else found["actions"]
        # With less comes behind what it is the same as.
        rank = 2 * ORDER.index(some["status"]) + (some.get("same_as") is not None)
        return MenuRow(
            self.said(some["label"]),
            some["status"],
            verdict(some, menu, self.tag),
            tuple(
                (self.said(a["label"]), self.value(a, a["from"]), self.value(a, a["to"]))
                for a in actions
            ),
            "" if cost is None else figure(cost, 3),
            (rank, float("inf") if cost is None else cost, place),
            {a["feature"]: str(a["to"]) for a in actions},
        )

    def box(self, found: Json) -> tuple[tuple[BoxRow, ...], str]:
        """The sides of a counterfactual's joint box, and what is known of it; empty without."""
        box = found.get("joint_box")
        if box is None:
            return (), ""
        sides = tuple(
            BoxRow(
                self.said(side["label"]),
                self.value(side, side["low"]),
                self.value(side, side["high"]),
                say(f"menu.{side['below']}", self.tag),
                say(f"menu.{side['above']}", self.tag),
            )
            for side in box["sides"]
        )
        return sides, self.said(box["text"])
