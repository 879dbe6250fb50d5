"""One change for many alarms, as a page shows it: a table, a curve, which alarms are left."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from ifonly.explainers.wording import Language
from ifonly.explainers.wording.gauges import Gauge, quantity
from ifonly.explainers.wording.numerals import count, decimal, figure, percentage
from ifonly.explainers.wording.units import Unit
from ifonly.models.schema import Feature
from ifonly.service.audit.alarm_readings import AlarmReading
from ifonly.service.doors.pages.operator.plane_drawing import Tick
from ifonly.service.doors.pages.scales import DrawingFrame, round_up
from ifonly.service.served.registry import ServedModel
from ifonly.service.words.catalogue import say

Json = Mapping[str, Any]
LEFT, TOP, ACROSS, DOWN = 54, 12, 420, 150
"""Where the plot begins, and how large it is; the picture has margins for its axes."""
FRAME = DrawingFrame(LEFT, TOP, ACROSS, DOWN, right=20, below=46)
TICKS = 5
MOST_ALARMS = 100
"""Alarms that are listed; of more only their number is told."""


@dataclass(frozen=True, slots=True)
class RemedyLine:
    """One common change."""

    settings: str
    levers: int
    cleared: int
    share: str
    cost: str
    is_proven: bool
    """Whether no cheaper change of as many levers clears as many."""
    bound: str
    """Else what none costs less than; empty: nothing is known."""
    text: str
    """The sentence, where there is one."""
    place: int
    """Its number in the address."""
    is_shown: bool
    """Whether it is the one whose alarms are listed."""


@dataclass(frozen=True, slots=True)
class MachineLine:
    """Alarms of one piece of equipment."""

    name: str
    cleared: int
    of: int


@dataclass(frozen=True, slots=True)
class ListedAlarm:
    """An alarm, with the way to its page."""

    name: str
    path: str
    why: str
    """Why it is left; empty of one that is cleared."""


@dataclass(frozen=True, slots=True)
class StepCurve:
    """Coverage against cost, of changes of at most so many levers."""

    levers: int
    path: str
    points: tuple[tuple[float, float, str], ...]
    """Where they are, and what they are."""


@dataclass(frozen=True, slots=True)
class RemedyDrawing:
    """What the template draws."""

    curves: tuple[StepCurve, ...]
    x_ticks: tuple[Tick, ...]
    y_ticks: tuple[Tick, ...]
    bound: float | None
    """What no change clears more than; None: the curve reaches it, or nothing is known."""
    all: float
    """All alarms."""
    frame: DrawingFrame = FRAME


@dataclass(frozen=True, slots=True)
class RemedyView:
    """All that is shown of an answer."""

    id: str
    status: str
    alarms: int
    """Of which coverage is counted."""
    left_out: int
    """Rows that are no alarms by the model as it is served."""
    headlines: tuple[RemedyLine, ...]
    """The best with one lever; the best of all, where it clears more."""
    is_most: bool
    """Whether none clears more than the best: proven."""
    bound: int
    is_cut: bool
    """Whether its time ran out: longer, more may be found or proven."""
    lines: tuple[RemedyLine, ...]
    drawing: RemedyDrawing | None
    shown: RemedyLine | None
    machines: tuple[MachineLine, ...]
    cleared: tuple[ListedAlarm, ...]
    uncleared: tuple[ListedAlarm, ...]
    uncleared_count: int
    reasons: tuple[tuple[str, int], ...]
    """Why alarms are left, with how many."""
    text: str


def remedy_view(
    reply: Json,
    rows: Sequence[AlarmReading],
    model: ServedModel,
    tag: Language,
    show: int | None = None,
) -> RemedyView:
    """``reply``: as the API replies it, about ``rows``; ``show``: number of the change whose alarms
    are listed, as the address has it."""
    points = list(_points(reply))
    alarms = int(reply["alarms"])
    best = max(range(len(points)), key=lambda k: _rank(points[k][1]), default=None)
    chosen = show if show is not None and 0 <= show < len(points) else best
    lines = [
        _line(point, levers, k, alarms, k == chosen, model, tag)
        for k, (levers, point) in enumerate(points)
    ]
    curves = reply["curves"]
    shown = None if chosen is None else points[chosen][1]
    uncleared = [] if shown is None else list(shown["uncleared"])
    why = Counter(each["why"] for each in uncleared)
    cleared = () if shown is None else shown["cleared"]
    return RemedyView(
        reply["id"],
        reply["status"],
        alarms,
        len(reply["left_out"]),
        tuple(_headlines(lines)),
        int(reply["bound"]) == (0 if best is None else points[best][1]["coverage"]),
        int(reply["bound"]),
        bool(reply["deadline_hit"]),
        tuple(sorted(lines, key=lambda line: (-line.cleared, line.levers))),
        _drawn(curves, alarms, int(reply["bound"]), model, tag) if points else None,
        None if chosen is None else lines[chosen],
        tuple(_machines(shown, rows)) if shown else (),
        tuple(_listed(rows[k], "") for k in cleared[:MOST_ALARMS]),
        tuple(
            _listed(rows[each["row"]], say(f"remedy_why.{each['why']}", tag))
            for each in uncleared[:MOST_ALARMS]
        ),
        len(uncleared),
        tuple((say(f"remedy_why.{name}", tag), number) for name, number in why.most_common()),
        reply["text"].get(tag, ""),
    )


def _rank(point: Json) -> tuple[int, int, float]:
    return point["coverage"], -len(point["settings"]), -point["cost"]


def _points(reply: Json) -> Iterator[tuple[int, Json]]:
    """Each change once, with the number of its levers."""
    known: set[str] = set()
    for curve in reply["curves"]:
        for point in curve["points"]:
            said = repr(point["settings"])
            if said not in known:
                known.add(said)
                yield len(point["settings"]), point


def _line(
    point: Json, levers: int, place: int, alarms: int, is_shown: bool, model: ServedModel,
    tag: Language,
) -> RemedyLine:  # fmt: skip
    is_proven = point["status"] == "optimal"
    low = point["lower_bound"]
    return RemedyLine(
        settings_in_words(point["settings"], model, tag),
        levers,
        point["coverage"],
        percentage(point["coverage"] / alarms) if alarms else "–",
        figure(point["cost"], 3),
        is_proven,
        "" if is_proven or low is None else figure(low, 3),
        point["text"].get(tag, ""),
        place,
        is_shown,
    )


def settings_in_words(settings: Sequence[Json], model: ServedModel, tag: Language) -> str:
    """``torque −6 Nm, quality = H``"""
    return ", ".join(_setting(each, model.schema[each["feature"]], tag) for each in settings)


def _setting(setting: Json, feature: Feature, tag: Language) -> str:
    gauge = Gauge.of(feature)
    if setting["kind"] == "absolute":
        return f"{gauge.label(tag)} = {gauge.value(feature.read(setting['to']), tag)}"
    delta = float(setting["delta"])
    sign = "−" if delta < 0 else "+"
    size = quantity(gauge.number(decimal(abs(delta))), Unit.of(feature.unit).difference, tag)
    return f"{gauge.label(tag)} {sign}{size}"


def _headlines(lines: Sequence[RemedyLine]) -> Iterator[RemedyLine]:
    most = -1
    for levers in sorted({line.levers for line in lines}):
        of = [line for line in lines if line.levers == levers]
        best = max(of, key=lambda line: line.cleared)
        if best.cleared > most:
            most = best.cleared
            yield best


def _machines(point: Json, rows: Sequence[AlarmReading]) -> Iterator[MachineLine]:
    cleared = Counter(rows[k].episode.equipment for k in point["cleared"])
    left = Counter(rows[each["row"]].episode.equipment for each in point["uncleared"])
    total = cleared + left
    for name, number in sorted(total.items(), key=lambda found: (-found[1], found[0])):
        yield MachineLine(name, cleared[name], number)


def _listed(row: AlarmReading, why: str) -> ListedAlarm:
    said = row.episode.said
    others = [value for value in said.values() if value != row.episode.equipment]
    return ListedAlarm(" · ".join((row.episode.equipment, *others)), row.path, why)


def _drawn(
    curves: Sequence[Json], alarms: int, bound: int, model: ServedModel, tag: Language
) -> RemedyDrawing:
    costs = [point["cost"] for curve in curves for point in curve["points"]]
    dearest = round_up(max(costs, default=0.0))
    best = max((p["coverage"] for curve in curves for p in curve["points"]), default=0)

    def x(cost: float) -> float:
        return round(LEFT + ACROSS * cost / dearest, 1)

    def y(number: float) -> float:
        return round(TOP + DOWN * (1 - number / max(1, alarms)), 1)

    made = []
    for curve in curves:
        if not curve["points"]:
            continue
        stairs = [f"M{LEFT} {y(0)}"]
        stairs += [f"H{x(p['cost'])}V{y(p['coverage'])}" for p in curve["points"]]
        marks = tuple(
            (x(p["cost"]), y(p["coverage"]), settings_in_words(p["settings"], model, tag))
            for p in curve["points"]
        )
        made.append(StepCurve(curve["max_levers"], f"{''.join(stairs)}H{LEFT + ACROSS}", marks))
    steps = [dearest * k / (TICKS - 1) for k in range(TICKS)]
    heights = sorted({0, alarms, *(round(alarms * k / 4) for k in (1, 2, 3))})
    return RemedyDrawing(
        tuple(made),
        tuple(Tick(x(cost), figure(cost, 3)) for cost in steps),
        tuple(Tick(y(number), count(number)) for number in heights),
        # That no more are cleared than there are needs no line.
        None if bound in (best, alarms) else y(bound),
        y(alarms),
    )
