"""Experiments on advice: as they are started, and what they have found."""

from __future__ import annotations

from typing import Annotated, Literal, Self

from pydantic import ConfigDict, Field, model_validator

from ifonly.service.wire.base import AttributeName, AttributeValue, Text, Wire, is_none
from ifonly.service.wire.replies import Audit
from ifonly.service.wire.trail import Short

ArmName = Annotated[str, Field(pattern="^[a-z][a-z0-9-]{0,63}$")]
MetricName = Literal["success", "number", "cleared", "returned", "minutes"]
Better = Literal["up", "down"]
WayFirst = Literal["smallest", "fewest_levers", "most_robust", "other_levers"]
MAX_GUARDS = 4


class ArmRequest(Wire):
    """How questions of an arm are answered and shown. What a request says itself is kept."""

    name: ArmName
    semantics: Literal["interventional", "independent"] | None = None
    robust: bool | None = Field(None, description="Must survive the sensors' tolerances.")
    way: WayFirst | None = Field(None, description="Which of the named ways is shown first.")
    advice: Literal["shown", "withheld"] = Field(
        "shown",
        description="`withheld`: pages show none, and replies say so in `Ifonly-Experiment`; it is "
        "computed and recorded all the same.",
    )


class MetricRequest(Wire):
    name: MetricName = Field(
        description="`success`, `number`: the plant's word. `cleared`, `returned`, `minutes`: what "
        "readings within the window called for."
    )
    better: Better


class ExperimentRequest(Wire):
    """A design: sealed in a record before the first alarm is assigned, and never changed."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "name": "robust-first",
                    "model": "milling-machine",
                    "salt": "2026-11",
                    "control": {"name": "smallest", "way": "smallest"},
                    "treatment": {"name": "robust", "way": "most_robust"},
                    "metric": {"name": "success", "better": "up"},
                    "guards": [{"name": "minutes", "better": "down"}],
                    "units": 1000,
                }
            ]
        }
    )

    name: ArmName
    model: Short
    salt: Short = Field(description="Of no other experiment: it decides who is in which arm.")
    unit: Literal["equipment", "episode"] = "equipment"
    control: ArmRequest
    treatment: ArmRequest
    share: Annotated[float, Field(ge=0.01, le=0.99)] = Field(
        0.5, description="Probability of the treatment."
    )
    metric: MetricRequest
    guards: Annotated[list[MetricRequest], Field(max_length=MAX_GUARDS)] = Field(
        default_factory=list,
        description="Metrics that must not become worse: the first that provably has ends it.",
    )
    alpha: Annotated[float, Field(ge=1e-6, le=0.5)] = 0.05
    units: Annotated[int, Field(ge=100, le=10**9)] = Field(
        1_000, description="How many are planned: intervals are narrowest there."
    )
    within_minutes: Annotated[int, Field(ge=1, le=43_200)] = 480
    only: Annotated[dict[AttributeName, AttributeValue], Field(max_length=16)] = Field(
        default_factory=dict, description="Attributes that a request must have to be of it."
    )
    aa: bool = Field(False, description="Both arms are the same: it tests the experiment itself.")
    comment: Annotated[str, Field(min_length=1, max_length=4_000)] | None = None

    @model_validator(mode="after")
    def _has_two_arms(self) -> Self:
        same = self.control.model_dump(exclude={"name"}) == self.treatment.model_dump(
            exclude={"name"}
        )
        if same != self.aa:
            says = "aa is true, and the arms differ" if self.aa else "the arms are the same"
            raise ValueError(f"{says}: aa says whether both arms do the same")
        return self


class StopRequest(Wire):
    comment: Annotated[str, Field(min_length=1, max_length=4_000)] | None = None


class Interval(Wire):
    """An estimate that may be looked at any time; null where nothing is known yet."""

    value: float | None
    low: float | None
    high: float | None
    p_value: float | None = Field(None, exclude_if=is_none)


MetricVerdictName = Literal["too_early", "better", "worse", "not_shown"]


class MetricFound(Wire):
    metric: MetricName
    better: Better
    shows: MetricVerdictName = Field(description="Of a guard: `worse` ends the experiment.")
    units: list[int] = Field(description="Of the control and of the treatment.")
    means: list[float | None]
    difference: Interval = Field(description="Treatment less control.")
    compliers: Interval | None = Field(
        description="What following the advice makes, of units that follow it because it is shown."
    )


class CourseLook(Wire):
    """What was known of the metric at an earlier moment."""

    time: str
    units: list[int] = Field(description="Of the control and of the treatment.")
    difference: Interval


ExperimentVerdictName = Literal["mismatch", "too_early", "guard", "better", "worse", "not_shown"]


class ExperimentResult(Wire):
    verdict: ExperimentVerdictName
    text: Text
    exposures: list[int] = Field(
        description="Alarms that were explained in the control and in the treatment, those among "
        "them whose window is not over."
    )
    waiting: int = Field(description="Alarms whose window is not over: they count later.")
    units: list[int] = Field(description="Assigned and shown: of the control and the treatment.")
    crossed: int = Field(description="Units that were shown both arms: they count in neither.")
    mismatch_p: float = Field(
        description="Whether arms are as large as was meant: always valid. At 0.01 or less no "
        "difference says anything."
    )
    metric: MetricFound
    guards: list[MetricFound]
    course: list[CourseLook] = Field(
        description="The metric's difference as it was at up to 40 moments, by what is known now: "
        "together they are one confidence sequence."
    )


class ExperimentState(Wire):
    id: str
    design: ExperimentRequest
    state: Literal["running", "stopped", "stopped_by_guard"]
    started: str
    stopped: str | None
    by: str
    audit: Audit


class ExperimentReply(Wire):
    experiment: ExperimentState
    result: ExperimentResult


class ExperimentsReply(Wire):
    experiments: list[ExperimentState]
