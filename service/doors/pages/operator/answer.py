"""An explanation as it is shown: what to set, what follows, how far, and how sure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from ifonly.explainers.problem import Problem
from ifonly.explainers.wording import Language
from ifonly.explainers.wording.conventions import conventions
from ifonly.explainers.wording.gauges import Gauge
from ifonly.explainers.wording.numerals import exactly, figure
from ifonly.models.window import window_of
from ifonly.service.audit.experiments.assigning import MEMBER, arm_in
from ifonly.service.doors.pages.causal_graph import Drawing, Mark, drawn
from ifonly.service.doors.pages.operator import series
from ifonly.service.doors.pages.operator.levers import levers_of
from ifonly.service.doors.pages.operator.menu import BoxRow, MenuReader, MenuTable
from ifonly.service.doors.pages.operator.series import SeriesDrawing
from ifonly.service.doors.pages.operator.verdict import PredictionVerdict, verdict_of
from ifonly.service.doors.pages.operator.ways import MatrixReader, WaysMatrix, fragile
from ifonly.service.served.registry import ServedModel
from ifonly.service.words.catalogue import say
from ifonly.service.words.claims import confirmed_in_words, demands, is_past
from ifonly.service.words.labels import label, label_or

TRACK = 300
"""Length of the picture of a lever."""


@dataclass(frozen=True, slots=True)
class Bar:
    """A lever's range: where it is, where it should be, and from where to where that is enough.

    Places on a track from 0 to :data:`TRACK`.
    """

    low: str
    high: str
    present: float
    target: float
    enough: tuple[float, float] | None


@dataclass(frozen=True, slots=True)
class AnswerStep:
    """One thing to set, or one that follows."""

    name: str
    label: str
    before: str
    after: str
    enough: tuple[str, str] | None = None
    via: str = ""
    bar: Bar | None = None


@dataclass(frozen=True, slots=True)
class CounterfactualView:
    """One counterfactual, as an operator sees it."""

    rank: int
    text: str
    actions: tuple[AnswerStep, ...]
    effects: tuple[AnswerStep, ...]
    verdict: PredictionVerdict
    proof: str
    """What it costs, and what is proven of that."""
    assurance: Mapping[str, Any] | None
    differs: Mapping[str, str]
    """By the name of a graph that may be the true one: what is otherwise in it, in words."""
    settings: Mapping[str, str]
    """What is set, as a form sends it."""
    graph: Drawing | None
    box: tuple[BoxRow, ...]
    """Between what all of it may be chosen at once; empty where that is not told."""
    box_said: str
    series: tuple[SeriesDrawing, ...] = ()
    """Of a window: each channel that would have been otherwise."""


@dataclass(frozen=True, slots=True)
class AnswerView:
    """A whole explanation."""

    id: str
    status: str
    sentence: str
    ways: tuple[CounterfactualView, ...]
    matrix: WaysMatrix | None
    """The named ways side by side, where they were asked for."""
    menu: MenuTable | None
    """What a few levers can do alone, where that was asked for."""
    fragile: str
    """What is said first of what is not known to survive the sensors' errors."""
    blocked_by: tuple[tuple[str, str], ...]
    """In words, and why."""
    relaxation: CounterfactualView | None
    lifted: str
    assumptions: tuple[tuple[str, str | None], ...]
    """In words, and whether it was tested."""
    doubts: tuple[str, ...]
    """What it rests on that had failed a check."""
    confirmed: str
    """Who confirmed it besides the model file here; empty where nobody else is named."""
    is_unconfirmed: bool
    """Whether a predictor that is named did not."""
    is_past: bool
    """Whether it tells of another past: nothing in it is advice."""
    is_withheld: bool
    """Whether an experiment shows none of it."""
    arm: tuple[str, str] | None
    """Id of the experiment that it was shown in, and the arm."""
    raw: Mapping[str, Any]

    @property
    def can_be_done(self) -> bool:
        """Whether there is anything in it that somebody could do."""
        return bool(self.ways) and not self.is_past and not self.is_withheld


def shown(
    answer: Mapping[str, Any], model: ServedModel | None, problem: Problem | None, tag: Language
) -> AnswerView:
    """``answer``: as the API replies it; ``problem``: the question, if its model is served."""
    relaxation = answer.get("relaxation")
    causal = answer.get("causal") or {}
    # How far a lever can be set is no matter of a past in which nothing was set.
    robust = problem is not None and problem.survives is not None
    said = demands(answer, robust=robust, tag=tag) if answer["counterfactuals"] else ""
    levers = None if is_past(answer) else problem
    view = _View(model, levers, tag, causal.get("graphs") or (), said)
    return AnswerView(
        answer["id"],
        answer["status"],
        view.said(answer["text"]),
        tuple(view.way(found) for found in answer["counterfactuals"]),
        view.matrix(answer),
        view.menus.table(answer),
        "" if is_past(answer) else fragile(answer, tag),
        tuple((view.said(c["text"]), view.said(c["why"])) for c in answer["blocked_by"]),
        None if relaxation is None else view.way(relaxation["counterfactual"]),
        "" if relaxation is None else view.said(relaxation["lifted"]["text"]),
        (
            *((view.said(text), None) for text in answer["assumptions"]),
            *((view.said(a["text"]), a["standing"]) for a in causal.get("assumptions", ())),
        ),
        # Older records have none.
        tuple(view.said(doubt["text"]) for doubt in answer.get("doubts", ())),
        view.said(confirmed_in_words(answer) or {}),
        bool((answer.get("confirmation") or {}).get("why")),
        is_past(answer),
        (answer.get(MEMBER) or {}).get("advice") == "withheld",
        arm_in(answer),
        answer,
    )


def _proof_key(found: Mapping[str, Any]) -> str:
    """What is known of cheaper ones; of a further way out only among those with other levers."""
    # "Cheapest" is a proof: only a gap of exactly 0 is one.
    if found["gap"] == 0 and found.get("doubts"):
        # A proof by a graph in doubt is not shown as one.
        return "proven_in_doubt"
    if found["gap"] == 0:
        # Later answers are cheapest only among those with other levers.
        return "proven" if found["rank"] == 1 else "proven_other"
    return "bounded" if found["lower_bound"] else "found"


def _recorded(value: Any, unit: str, tag: Language, *, computed: bool) -> str:
    """Records outlive models: a value of a feature that no model here has."""
    if isinstance(value, int | float) and not isinstance(value, bool):
        number = figure(value, 6) if computed else exactly(value)
        return conventions(tag).behind(number, unit)
    return "–" if value is None else str(value)


class _View:
    """Reads replies in one language."""

    def __init__(
        self,
        model: ServedModel | None,
        problem: Problem | None,
        tag: Language,
        graphs: Sequence[Mapping[str, Any]],
        demands: str,
    ) -> None:
        self._demands = demands
        self._model = model
        self._problem = problem
        self._tag = tag
        self._differs = {graph["name"]: self.said(graph["text"]) for graph in graphs}
        both = model is not None and problem is not None
        self._levers = (
            {lever.name: lever for lever in levers_of(model, problem, tag)}  # type: ignore[arg-type]
            if both
            else {}
        )

    def said(self, text: Mapping[str, str]) -> str:
        """In this language; what was asked for in another only, in that."""
        return label_or(text, self._tag, next(iter(text.values()), ""))

    @property
    def menus(self) -> MenuReader:
        return MenuReader(self._tag, self.said, self._value)

    def matrix(self, answer: Mapping[str, Any]) -> WaysMatrix | None:
        reader = MatrixReader(
            self._tag,
            self.said,
            self._value,
            lambda prediction: verdict_of(prediction, False, self._model, self._tag),
            self._off,
        )
        return reader.matrix(self._without_readings(answer))

    def _without_readings(self, answer: Mapping[str, Any]) -> Mapping[str, Any]:
        """The answer, less what follows in a window: that is drawn."""
        if self._model is None or window_of(self._model.schema) is None:
            return answer

        def told(found: Mapping[str, Any] | None) -> Mapping[str, Any] | None:
            return None if found is None else {**found, "effects": []}

        ways = answer.get("ways")
        return {
            **answer,
            "counterfactuals": [told(found) for found in answer["counterfactuals"]],
            "ways": ways
            and [{**way, "counterfactual": told(way.get("counterfactual"))} for way in ways],
        }

    def _off(self, name: str, times: float) -> str:
        """``±0.6 K``: so many times the tolerance of a feature."""
        if self._model is None or name not in self._model.schema or not times:
            return ""
        tolerances = self._model.policy.tolerances
        off = times * tolerances[self._model.schema.index(name)] if tolerances else 0.0
        if not off:
            return ""
        return "±" + conventions(self._tag).behind(figure(off, 3), self._model.schema[name].unit)

    def way(self, found: Mapping[str, Any]) -> CounterfactualView:
        actions = tuple(self._step(part, computed=False) for part in found["actions"])
        effects = tuple(self._step(part, computed=True) for part in self._followed(found))
        return CounterfactualView(
            found["rank"],
            self.said(found["text"]),
            actions,
            effects,
            verdict_of(found["prediction"], False, self._model, self._tag),
            say(
                f"answer.{_proof_key(found)}",
                self._tag,
                cost=figure(found["cost"], 3),
                demands=self._demands,
            ),
            found.get("assurance"),
            self._differs,
            {part["feature"]: str(part["to"]) for part in found["actions"]},
            self._graph(actions, effects),
            *self.menus.box(found),
            series=self._series(found),
        )

    def _followed(self, found: Mapping[str, Any]) -> Sequence[Mapping[str, Any]]:
        """What is told in a line of its own; readings of a window are drawn instead."""
        of_window = self._model is not None and window_of(self._model.schema) is not None
        effects: Sequence[Mapping[str, Any]] = found["effects"]
        return () if of_window else effects

    def _series(self, found: Mapping[str, Any]) -> tuple[SeriesDrawing, ...]:
        if self._model is None or window_of(self._model.schema) is None:
            return ()
        factual = series.before(self._model, found["instance"], found["effects"])
        return series.moved(self._model, factual, found["instance"], self._tag)

    def _step(self, part: Mapping[str, Any], *, computed: bool) -> AnswerStep:
        return AnswerStep(
            part["feature"],
            self.said(part["label"]),
            self._value(part, part["from"]),
            self._value(part, part["to"], computed=computed),
            self._enough(part),
            ", ".join(self._label(name) for name in part.get("via", ())),
            self._bar(part) if not computed else None,
        )

    def _enough(self, part: Mapping[str, Any]) -> tuple[str, str] | None:
        """The ends of what is sufficient, where that is more than one value."""
        ends = part.get("sufficient_range")
        if ends is None or ends[0] == ends[1]:
            return None
        return self._value(part, ends[0]), self._value(part, ends[1])

    def _value(self, part: Mapping[str, Any], value: Any, *, computed: bool = False) -> str:
        name = part["feature"]
        if self._model is None or name not in self._model.schema:
            return _recorded(value, part.get("unit") or "", self._tag, computed=computed)
        feature = self._model.schema[name]
        if value is None:
            return Gauge.of(feature).value(float("nan"), self._tag)
        number = (
            float(feature.category_names.index(value)) if isinstance(value, str) else float(value)
        )
        return Gauge.of(feature).value(number, self._tag, computed=computed)

    def _label(self, name: str) -> str:
        if self._model is None or name not in self._model.schema:
            return name
        return label(self._model.schema[name], self._tag)

    def _bar(self, part: Mapping[str, Any]) -> Bar | None:
        lever = self._levers.get(part["feature"])
        if lever is None or lever.kind != "slider" or part["from"] is None:
            return None
        low, high = float(lever.lowest), float(lever.highest)

        def at(value: float) -> float:
            return round(TRACK * (value - low) / ((high - low) or 1.0), 1)

        enough = part.get("sufficient_range")
        return Bar(
            lever.low,
            lever.high,
            at(part["from"]),
            at(part["to"]),
            # Cut to the track: what suffices may go beyond what can be set.
            None if enough is None else (at(max(low, enough[0])), at(min(high, enough[1]))),
        )

    def _graph(
        self, actions: tuple[AnswerStep, ...], effects: tuple[AnswerStep, ...]
    ) -> Drawing | None:
        if self._model is None or self._model.causal is None:
            return None
        marks: dict[str, Mark] = {step.name: "set" for step in actions}
        marks |= {step.name: "follows" for step in effects}
        notes = {step.name: f"{step.before} → {step.after}" for step in (*actions, *effects)}
        return drawn(self._model.causal.spec, self._tag, marks, notes, whole=False)
