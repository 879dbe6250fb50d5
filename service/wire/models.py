"""What can be asked about."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import Field

from ifonly.service.wire.base import Interval, Read, Text, Wire, is_empty, is_none
from ifonly.service.wire.causal import CausalSummary
from ifonly.service.wire.replies import ActionProfile, Audit, Constraint, ModelReference


class ModelSummary(Wire):
    name: str
    version: str = Field(description="The active one; asked unless a request pins another.")
    versions: list[str]
    title: Text
    description: Text


class RefusedFolder(Wire):
    """A folder of the repository that is not served."""

    folder: str
    reason: str
    # An operator must know whether a broken new version has taken the old one away.
    still_served: bool = Field(description="Whether what the folder held before is still served.")


class ModelsReply(Wire):
    models: list[ModelSummary]
    refused: list[RefusedFolder]


class Category(Wire):
    name: str
    label: Text


class Feature(Wire):
    name: str
    kind: Literal["continuous", "integer", "nominal", "ordinal"]
    unit: str
    bounds: Interval = Field(description="Valid readings.")
    resolution: float | int | None = Field(
        description="Step between values that can be set; null: cannot be set."
    )
    categories: list[Category]
    may_be_missing: bool
    label: Text
    description: Text


class Attribute(Wire):
    """What a request may say of the equipment, in `attributes`."""

    name: str
    label: Text
    identity: bool = Field(description="Whether it says which piece of equipment it is.")
    varies: bool = Field(description="Whether it may change between readings of one piece.")
    values: list[str] = Field(description="All that may be said; empty: any text.")


class Example(Wire):
    id: str
    note: Text
    instance: dict[str, Read]


class Decision(Wire):
    task: Literal["binary", "multiclass", "regression"]
    classes: list[Category]
    positive: str | None
    threshold: float | None
    desired: str | None
    probability: float | None = Field(
        description="Least probability of the desired class that the policy demands of an answer "
        "where a request says nothing of it; null: the decision alone counts."
    )
    robust: bool = Field(
        description="Whether an answer for the desired class has to survive every reading within "
        "the declared sensor tolerances, where a request says nothing of it."
    )
    unit: str


class ModelProfile(ActionProfile):
    """One way in which the policy lets a channel be moved."""

    name: str = Field(description="As a what-if sets it and as actions call it.")
    label: Text
    unit: str
    bounds: Interval = Field(description="Of the amount.")
    resolution: float | int = Field(description="Step between amounts that can be set.")


class ModelWindow(Wire):
    """The model reads the last readings of each feature; an instance gives a list of each."""

    steps: int = Field(description="Readings of each channel.")
    period: str = Field(description="Between two of them, e.g. `1 min`.")
    layout: Literal["steps-channels", "channels-steps"]
    profiles: list[ModelProfile]


class ModelReply(Wire):
    """What a client needs to know to ask about a model."""

    name: str
    version: str
    versions: list[str]
    title: Text
    description: Text
    decision: Decision
    features: list[Feature] = Field(description="Of a window its channels.")
    window: ModelWindow | None = Field(
        None, exclude_if=is_none, description="Where the model reads a window."
    )
    constraints: list[Constraint] = Field(description="The plant's policy, in words.")
    examples: list[Example] = Field(description="Instances to try.")
    alarm: dict[str, Any] = Field(
        description="What an operator is told beside the explanation; owner, class and priority; "
        "delays in seconds."
    )
    card: dict[str, Any] = Field(
        description="`[card]` of the spec: owner, contact, how to object, tier, intended use, "
        "limitations, training data, by language; when it was validated; its role."
    )
    reason_codes: dict[str, Any] = Field(
        description="`[reasons]` of the spec: by feature, the code and the text of a notice."
    )
    attributes: list[Attribute] = Field(
        description="What requests may say in `attributes`; a model that declares none takes any."
    )
    causal: CausalSummary | None = Field(
        None, exclude_if=is_none, description="What lies beside the model as `causal.toml`."
    )
    provenance: ModelReference


class UploadReply(Wire):
    """A version that is served from now on."""

    name: str
    version: str
    model_sha256: str
    spec_sha256: str
    causal_sha256: str | None = Field(None, exclude_if=is_none)
    zip_sha256: str
    files: int
    bytes: int
    audit: Audit


class Alive(Wire):
    status: Literal["alive"] = "alive"


class Live(Wire):
    status: Literal["live"] = "live"


class Ready(Wire):
    status: Literal["ready"] = "ready"
    models: int
    differing: list[str] = Field(
        default=[],
        exclude_if=is_empty,
        description="Present where the deployed predictor of a model, as `name/version`, answers "
        "as another model than the copy here: it is not explained until they are the same.",
    )
