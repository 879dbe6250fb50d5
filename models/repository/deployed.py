"""A model that is deployed: everything known of it, frozen."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from ifonly.models.errors import GraphError
from ifonly.models.graph.forms import GraphForm
from ifonly.models.onnx import Guard
from ifonly.models.predictor import Predictor, Row, Rows, Scores
from ifonly.models.quality import LabelledRows, ModelQuality, NotMeasured, quality_of
from ifonly.models.schema import Labels
from ifonly.models.spec import Spec


@dataclass(frozen=True, eq=False)
class Example:
    """An instance worth looking at, shipped with a model."""

    id: str
    instance: Mapping[str, Any]
    """As a request would write it."""
    row: Row
    note: Labels = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Elsewhere:
    """Stands in for the predictor of a folder that has no graph: its server has to be asked."""

    url: str

    def score(self, rows: Rows) -> Scores:
        """Raises
        ------
        GraphError
            Always: whoever loads a folder asks nobody.
        """
        raise GraphError(f"the folder has no model.onnx: only {self.url} can score its rows")


USUAL = (0.05, 0.95)
"""Quantiles of the reference rows between which a reading is usual."""


@dataclass(frozen=True, eq=False)
class DeployedModel:
    """One version of a model, ready to score."""

    name: str
    version: str
    spec: Spec
    predictor: Predictor
    model_sha256: str
    """SHA-256 of ``model.onnx``; of its digest and those of its data files where it has any. Of a
    model without a graph here: of what ``[predictor]`` declares, for what runs there nobody can
    digest."""
    spec_sha256: str
    folder: Path
    reference: Rows | None = None
    """Rows of the data it was trained on, ``(n, n_features)``: scales, plausibility, starts."""
    guard: Guard = field(default_factory=Guard)
    """Watches over all its graphs, and knows whether the model is out of service."""
    plausibility: Predictor | None = None
    """One score a row; see ``policy.plausibility``."""
    causal: bytes | None = None
    """``causal.toml`` as it is, to be read by whoever knows causal models; None: there is none."""
    causal_sha256: str = ""
    """SHA-256 of those bytes. They hold the digests of the files that they name."""
    causal_files: Mapping[str, bytes] = field(default_factory=dict)
    """What lies in ``mechanisms/`` and ``effects/``, by path from the folder:
    ``mechanisms/torque.json``."""
    examples: tuple[Example, ...] = ()
    parity: Mapping[str, Any] | None = None
    """``parity.json``: how the graph compared with the model that was trained."""
    validation: LabelledRows | None = None
    """``validation.csv``: rows of which somebody says what they were."""
    form: GraphForm | None = None
    """The graph read as mathematics; None where it could not be."""
    has_copy: bool = True
    """Whether the folder has the model's graph. Else only the server that it names can score."""
    form_refusal: str = ""
    """Why it could not."""
    thresholds: Mapping[int, npt.NDArray[np.floating[Any]]] = field(default_factory=dict)
    """Position of a feature to the values at which trees of the graph split it, ascending, as
    the graph compares them; empty where the graph is no tree ensemble on raw features."""

    @cached_property
    def usual(self) -> tuple[tuple[float, float], ...] | None:
        """Of each column the readings between which all but a twentieth of the reference rows lie
        at either end; open where none is known. None: there are no such rows."""
        if self.reference is None:
            return None
        columns = (column[~np.isnan(column)] for column in self.reference.T)
        return tuple(_ends(column) if column.size else (-np.inf, np.inf) for column in columns)

    # Once a version: its rows are scored for it.
    @cached_property
    def quality(self) -> ModelQuality | NotMeasured:
        """What its decisions are worth on the labelled rows, scored by the deployed session."""
        predictor = self.predictor if self.has_copy else None
        return quality_of(self.validation, predictor, self.spec.decision)


def _ends(readings: npt.NDArray[np.floating[Any]]) -> tuple[float, float]:
    low, high = np.quantile(readings, USUAL)
    return float(low), float(high)
