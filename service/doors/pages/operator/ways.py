"""The named ways out of one alarm as a matrix: a column for each way, a row for each lever."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from ifonly.explainers.terms import WayName
from ifonly.explainers.wording import Language
from ifonly.explainers.wording.numerals import figure, percentage
from ifonly.service.audit.experiments.assigning import MEMBER
from ifonly.service.audit.suggestions import survives
from ifonly.service.doors.pages.operator.verdict import PredictionVerdict
from ifonly.service.words.catalogue import say
from ifonly.service.words.ways import resolved

Json = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class WayCell:
    """What one way makes of one feature."""

    value: str
    """Empty: it stays as it is."""
    is_set: bool = False
    """If not, it follows."""
    enough: tuple[str, str] | None = None
    """From where to where it may be set, the others as they are set."""
    together: str = ""
    """How far this reading may be off while all are."""


@dataclass(frozen=True, slots=True)
class WayRow:
    """One lever, or what follows from some."""

    label: str
    before: str
    cells: tuple[WayCell, ...]


@dataclass(frozen=True, slots=True)
class WayColumn:
    """One way out, and whatever else it is the best of."""

    key: str
    """As the API calls it."""
    names: tuple[str, ...]
    claims: tuple[tuple[str, str], ...]
    """What is claimed of it, by name."""
    is_proven: bool
    cost: str
    verdict: PredictionVerdict
    survives: str
    is_fragile: bool
    """Not proven to survive the tolerances once."""
    settings: Mapping[str, str]
    """What is set, as a form sends it."""


@dataclass(frozen=True, slots=True)
class WaysMatrix:
    """All of it."""

    columns: tuple[WayColumn, ...]
    rows: tuple[WayRow, ...]
    none: tuple[tuple[str, str], ...]
    """Ways that there are not, by name, and what is known of that."""

    @property
    def told(self) -> tuple[str, ...]:
        """What the API calls those that can be done."""
        return tuple(column.key for column in self.columns)


@dataclass(frozen=True)
class MatrixReader:
    """Reads the ways of a reply in one language."""

    tag: Language
    said: Callable[[Mapping[str, str]], str]
    value: Callable[..., str]
    """Of a part of a counterfactual, one of its values as people read it."""
    verdict: Callable[[Json], PredictionVerdict]
    off: Callable[[str, float], str]
    """So many times the tolerance of a feature, with its unit; empty where it has none."""

    def matrix(self, answer: Json) -> WaysMatrix | None:
        """None where the answer tells no ways."""
        ways = resolved(answer)
        shown = [(way, found) for way, found in ways if found is not None]
        # In an experiment an arm may show another way first.
        first_way = (answer.get(MEMBER) or {}).get("way")
        shown.sort(key=lambda each: each[0]["name"] != first_way)
        if not shown:
            return None
        columns = tuple(self._column(way, found, ways) for way, found in shown)
        # Set by whichever way first, then what only follows.
        parts = [part for key in ("actions", "effects") for _, f in shown for part in f[key]]
        first = {part["feature"]: part for part in reversed(parts)}
        names = dict.fromkeys(part["feature"] for part in parts)
        rows = tuple(self._row(first[name], shown) for name in names)
        none = tuple(
            (self._name(way["name"]), self.said(way["text"]))
            for way, found in ways
            if found is None and way.get("same_as") is None
        )
        return WaysMatrix(columns, rows, none)

    def _name(self, name: str) -> str:
        return say(f"ways.{name}", self.tag)

    def _column(
        self, way: Json, found: Json, ways: Sequence[tuple[Json, Json | None]]
    ) -> WayColumn:
        alike = [way, *(w for w, _ in ways if w.get("same_as") == way["name"])]
        times = way["survives"]
        if times is None:
            survives = say("ways.survives_unknown", self.tag)
        elif times:
            survives = say("ways.survives", self.tag, times=figure(times))
        else:
            survives = say("ways.survives_none", self.tag)
        return WayColumn(
            way["name"],
            tuple(self._name(w["name"]) for w in alike),
            tuple((self._name(w["name"]), self.said(w["text"])) for w in alike),
            all(w["status"] == "optimal" for w in alike),
            figure(found["cost"], 3),
            self.verdict(found["prediction"]),
            survives,
            is_fragile(way),
            {part["feature"]: str(part["to"]) for part in found["actions"]},
        )

    def _row(self, part: Json, shown: Sequence[tuple[Json, Json]]) -> WayRow:
        name = part["feature"]
        cells = tuple(self._cell(name, way, found) for way, found in shown)
        return WayRow(self.said(part["label"]), self.value(part, part["from"]), cells)

    def _cell(self, name: str, way: Json, found: Json) -> WayCell:
        for part in found["actions"]:
            if part["feature"] == name:
                ends = part.get("sufficient_range")
                enough = None
                if ends is not None and ends[0] != ends[1]:
                    enough = self.value(part, ends[0]), self.value(part, ends[1])
                together = self.off(name, way["survives"] or 0.0)
                return WayCell(self.value(part, part["to"]), True, enough, together)
        for part in found["effects"]:
            if part["feature"] == name:
                return WayCell(self.value(part, part["to"], computed=True))
        return WayCell("")


def is_fragile(way: Json) -> bool:
    """Whether it is not proven to survive the sensors' tolerances, where that can be proven."""
    return way["survives"] is not None and way["survives"] < 1.0


def fragile(answer: Json, tag: Language) -> str:
    """What is said first of an answer that is not known to survive the sensors; empty of others."""
    if survives(answer) is not False:
        return ""
    for way in answer.get("ways") or ():
        if way["name"] == WayName.SMALLEST and way["survives"] is not None:
            return say("ways.fragile", tag)
    share = answer["counterfactuals"][0]["assurance"]["survives_sensor_errors"]
    return say("ways.fragile_share", tag, share=percentage(share))
