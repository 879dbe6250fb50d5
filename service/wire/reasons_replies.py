"""Which readings alone force a decision: what is answered."""

from __future__ import annotations

from typing import Literal

from pydantic import ConfigDict, Field

from ifonly.service.wire import examples
from ifonly.service.wire.base import Text, Wire, Written, is_none
from ifonly.service.wire.replies import Prediction, Proven, Provenance, Recorded, Work

ReasonClaim = Literal["smallest", "minimal", "sufficient"]


class ReasonFeature(Wire):
    """A feature, as it was read."""

    feature: str
    label: Text
    value: Written
    unit: str


class ReasonWitness(Wire):
    """A row that shows that a feature cannot be left out: the others of the set are as they were
    read, and the decision is another."""

    feature: str
    instance: dict[str, Written]
    prediction: Prediction


class SufficientReason(Wire):
    """Readings that alone force the decision: no row that has them is decided otherwise."""

    status: ReasonClaim = Field(
        description="`smallest`: proven, as that no fewer readings do. `minimal`: proven, as that "
        "none of them can be left out. `sufficient`: proven; some may not be needed."
    )
    features: list[ReasonFeature] = Field(description="None: whatever is read, it is the same.")
    witnesses: list[ReasonWitness] = Field(description="One of each feature, where it is minimal.")
    text: Text


class ReasonCode(Wire):
    """What the model's folder says of a feature that counts, for a notice."""

    code: str
    text: Text


class PrincipalReason(Wire):
    """One of the features that count most."""

    rank: int
    feature: str
    label: Text
    value: Written
    unit: str
    share: float = Field(
        description="Of the sufficient reasons that are told, those that it is in. Where they are "
        "`complete`: the formal feature attribution (Yu et al. 2023)."
    )
    alone: bool = Field(description="Whether the decision can turn with no other reading changed.")
    distance: float = Field(
        description="Of its reading from the median of the reference rows, in the policy's scales; "
        "of a category, the share of reference rows that have another. 0: there are none."
    )
    code: ReasonCode | None = Field(description="`reasons` of the model's spec; null: none.")
    text: Text


class ReadableRange(Wire):
    """What a feature may read where it is not held."""

    feature: str
    min: float | None = Field(None, exclude_if=is_none)
    max: float | None = Field(None, exclude_if=is_none)
    resolution: float | None = Field(
        None, exclude_if=is_none, description="Step between two readings that are told apart."
    )
    derived: bool = Field(
        description="Whether the spec declares no step, and one of more than a thousand is taken."
    )
    categories: list[str] | None = Field(None, exclude_if=is_none)


class ReasonsReply(Wire):
    """Claims are about every row that may be read: each feature that is not held anywhere within
    its declared bounds, on its grid (or as it was read), the policy's rules about rows kept. Each
    witness was confirmed by the deployed model; of each set some rows were tried besides."""

    model_config = ConfigDict(json_schema_extra={"examples": [examples.REASONS.reply]})

    id: str
    status: Literal["smallest", "minimal", "sufficient", "unknown"] = Field(
        description="Of the first of `reasons`; `unknown`: it could not be told."
    )
    explanation: str | None = Field(description="Id of the explanation that was asked about.")
    deadline_hit: bool
    prediction: Prediction
    reasons: list[SufficientReason] = Field(description="The fewest features first.")
    complete: bool = Field(description="Whether these are all minimal ones: proven.")
    at_least: int = Field(description="No set of fewer features is sufficient: proven.")
    principal: list[PrincipalReason] = Field(
        description="In this order: by `share`, by `alone`, by `distance`, as the model has them."
    )
    readings: list[ReadableRange]
    rules: list[str] = Field(
        description="Keys of the policy's rules that readings are taken to keep: those that say "
        "what rows there are, and nothing of changes."
    )
    set_aside: list[str] = Field(description="Keys of those that the instance itself breaks.")
    text: Text
    provenance: Provenance
    work: Work
    audit: Recorded = None
    proof: Proven = None
