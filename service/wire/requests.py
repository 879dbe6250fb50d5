"""What is asked."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Annotated, Any, Literal

from pydantic import ConfigDict, Discriminator, Field, Tag, model_validator

from ifonly.explainers.languages import DEFAULT_LANGUAGES, LANGUAGES, Language
from ifonly.explainers.terms import MOST_LEVERS, MOST_SETS
from ifonly.service.settings import MAX_DEADLINE_MS
from ifonly.service.wire import examples
from ifonly.service.wire.base import (
    AttributeName,
    AttributeValue,
    Instance,
    Probability,
    Wire,
    absent_or_not_null,
)
from ifonly.service.wire.constraints import Constraints

MAX_INSTANCES = 1_000
MAX_ALTERNATIVES = 10
MAX_ATTRIBUTES = 16
# JavaScript reads numbers as float64: a larger seed would come back as another one.
MAX_SEED = 2**53 - 1
"""The largest whole number that every JSON reader keeps."""


class ProbabilityRange(Wire):
    """The probability of the target's class, both ends included."""

    min: Probability | None = None
    max: Probability | None = None


class ScoreRange(Wire):
    """The model's score, both ends included: a regression's value in its unit, or the
    probability of a binary model's positive class."""

    min: float | None = None
    max: float | None = None


class Target(Wire):
    """What the prediction should have been: a class, perhaps with a probability, or a score."""

    # An alias, for `class` is a keyword of Python.
    class_: str | None = Field(None, alias="class", max_length=256, description="Its name.")
    probability: ProbabilityRange | None = Field(
        None,
        description="Needs `class`. Default: of the desired class what the model's policy demands "
        '(`policy.target.probability`), of another none. `{"min": 0}`: the decision alone counts.',
    )
    score: ScoreRange | None = Field(None, description="Without `class`.")


Languages = Annotated[
    list[Language],
    Field(
        default_factory=lambda: list(DEFAULT_LANGUAGES),
        min_length=1,
        max_length=len(LANGUAGES),
        description="Languages of every text in the reply.",
    ),
]


Attributes = Annotated[
    dict[AttributeName, AttributeValue],
    Field(
        max_length=MAX_ATTRIBUTES,
        description="Said of the equipment, the shift or the person concerned: for the list of "
        "alarms, reports by group, and who may see it; `attributes` of the model says which. "
        "Neither the model nor the search sees them.",
    ),
]


OF_EACH, OF_ALL = "of_each", "of_all"


def _whose(said: Any) -> str:
    """Which of the two forms is meant: else what is wrong with both would be told."""
    return OF_EACH if isinstance(said, list) else OF_ALL


AttributesOfRows = Annotated[
    Annotated[Attributes, Tag(OF_ALL)]
    | Annotated[
        Annotated[
            list[Attributes],
            Field(
                max_length=MAX_INSTANCES,
                description="The same of each row, in their order; `{}` where nothing is said.",
            ),
        ],
        Tag(OF_EACH),
    ],
    Discriminator(_whose),
]
"""Of all rows of a request, or a list of as many as there are rows."""


def check_length(said: Mapping[str, str] | Sequence[Mapping[str, str]], rows: int) -> None:
    """Raises
    ------
    ValueError
        If a list says of more or of fewer rows than there are.
    """
    if not isinstance(said, Mapping) and len(said) != rows:
        raise ValueError(
            f"attributes is a list of {len(said)}, and there are {rows} rows: one entry for each "
            "row, or one object for all of them"
        )


def of_rows(
    said: Mapping[str, str] | Sequence[Mapping[str, str]], rows: int
) -> Sequence[Mapping[str, str]]:
    """What is said of each of ``rows`` rows."""
    return [said] * rows if isinstance(said, Mapping) else said


class PredictionsRequest(Wire):
    """Rows to be scored: exactly one of the two keys."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [examples.PREDICTIONS.request],
            # Said here too: the validator below is not seen by the OpenAPI document.
            # Not as oneOf, of which generators of clients make no type.
            "not": {"required": ["instance", "instances"]},
        }
    )

    instance: Instance | None = Field(
        None, description="One row.", json_schema_extra=absent_or_not_null
    )
    instances: Annotated[list[Instance], Field(min_length=1, max_length=MAX_INSTANCES)] | None = (
        Field(
            None, description="Several rows, scored at once.", json_schema_extra=absent_or_not_null
        )
    )
    attributes: AttributesOfRows = Field(default={})

    @model_validator(mode="after")
    def _one_of_the_two(self) -> PredictionsRequest:
        if (self.instance is None) == (self.instances is None):
            raise ValueError("the body needs either instance or instances, and not both")
        check_length(self.attributes, self.rows)
        return self

    @property
    def rows(self) -> int:
        """How many there are."""
        return 1 if self.instances is None else len(self.instances)

    @property
    def said(self) -> Sequence[Mapping[str, str]]:
        """What is said of each row."""
        return of_rows(self.attributes, self.rows)


Semantics = Annotated[
    Literal["interventional", "independent", "backtracking"] | None,
    Field(
        None,
        description="`interventional`: what follows from what is set moves too, by the accepted "
        "causal model (the default where there is one). `independent`: features move alone; a "
        "statement about the model, not about the equipment. `backtracking`: the laws stay, the "
        "background of each feature moves; tells of another past, to explain: no advice.",
    ),
]


Amount = Annotated[float, Field(gt=0.0)]


class Over(Wire):
    """A length of time, in exactly one unit."""

    model_config = ConfigDict(json_schema_extra={"minProperties": 1, "maxProperties": 1})

    seconds: Amount | None = Field(None, json_schema_extra=absent_or_not_null)
    minutes: Amount | None = Field(None, json_schema_extra=absent_or_not_null)
    hours: Amount | None = Field(None, json_schema_extra=absent_or_not_null)

    @model_validator(mode="after")
    def _one_unit(self) -> Over:
        given = [unit for unit in ("seconds", "minutes", "hours") if getattr(self, unit)]
        if len(given) != 1 or self.model_fields_set != {*given}:
            raise ValueError("over is given in exactly one of seconds, minutes, hours")
        return self


class WhatIfRequest(Wire):
    """An instance, and what would be set on it."""

    model_config = ConfigDict(json_schema_extra={"examples": [examples.WHAT_IF.request]})

    instance: Instance
    set_: Instance = Field(
        alias="set",
        description="Feature name to the value it is set to; the value that it has: held there.",
    )
    rung: Literal["association", "intervention", "counterfactual"] | None = Field(
        None,
        description="`counterfactual`: this machine, what follows moves (the default where a "
        "causal model is accepted). `intervention`: any such machine, the noise of what follows "
        "drawn anew. `association`: nothing follows.",
    )
    over: Over | None = Field(
        None,
        description="How long to look on after the setting, step by step: whole steps of the "
        "causal model's time, 480 at most. Of this machine only (`counterfactual`); refused where "
        "the causal model has no time, or a delay on the way has no number.",
        json_schema_extra=absent_or_not_null,
    )
    attributes: Attributes = Field(default={})
    languages: Languages


class MenuRequest(Wire):
    """Which sets of levers are asked about, each by itself."""

    max_levers: int = Field(
        2, ge=1, le=MOST_LEVERS, description="Most levers of one set; all smaller sets are told."
    )
    levers: list[str] | None = Field(
        None,
        min_length=1,
        max_length=256,
        description="Features of which sets are made. Default: all that may be set. At most "
        f"{MOST_SETS} sets are told of one instance.",
        json_schema_extra=absent_or_not_null,
    )


class ExplanationRequest(Wire):
    """Which smallest allowed change would have put this instance's prediction in the target?"""

    model_config = ConfigDict(json_schema_extra={"examples": [examples.EXPLANATION.request]})

    instance: Instance = Field(description="The row as it was read, by feature name.")
    target: Target | None = Field(
        None,
        description="Default: the class that the model's spec says is desired, as probable as its "
        "policy demands.",
    )
    constraints: Constraints = Constraints()
    alternatives: int = Field(
        1,
        ge=1,
        le=MAX_ALTERNATIVES,
        description="How many answers are wanted, each with other levers than those before it.",
    )
    ways: bool = Field(
        False,
        description="Whether up to four named ways are told beside it: the smallest, the one with "
        "the fewest levers, the most robust, one with other levers. All within `deadline_ms`; not "
        "of `backtracking`, in which nothing is set.",
    )
    joint_box: bool = Field(
        False,
        description="Whether each answer that sets several features is told with the box in which "
        "all of its values may be chosen at once. Within `deadline_ms`; of single instances, and "
        "not of `backtracking`.",
    )
    menu: MenuRequest | None = Field(
        None,
        description="Whether every set of a few levers is told with its cheapest answer, or with "
        "the proof that it has none. Within `deadline_ms`; of single instances, and not of "
        "`backtracking`.",
        json_schema_extra=absent_or_not_null,
    )
    # Counts search, not waiting: under load the same question has the same answer (decision 0077).
    deadline_ms: Annotated[int, Field(ge=1, le=MAX_DEADLINE_MS)] | None = Field(
        None,
        description="Milliseconds of search after which the best found is the answer; waiting "
        "for a thread is no part of it, and is given up (503) after as long, or a second. "
        "Default and upper limit are the service's settings; `work.deadline_ms` is what it got.",
    )
    # Fixed by default, not drawn: the same question asked again has the same answer, and replays.
    seed: int = Field(0, ge=0, le=MAX_SEED)
    semantics: Semantics
    attributes: Attributes = Field(default={})
    languages: Languages
