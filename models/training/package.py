"""From data to a complete model folder, or to none at all."""

from __future__ import annotations

import hashlib
import json
import platform
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from functools import cache
from importlib.metadata import packages_distributions
from importlib.metadata import version as installed_version
from pathlib import Path
from typing import Any

import numpy as np

from ifonly.models.onnx.export import export_onnx, to_bytes
from ifonly.models.onnx.parity import ParityReport, check_parity
from ifonly.models.predictor import Rows
from ifonly.models.quality import labelled_csv
from ifonly.models.quality.labelled import MOST_ROWS as MOST_LABELLED
from ifonly.models.repository import DeployedModel, load_folder
from ifonly.models.repository.folder import EXAMPLES, MODEL, PARITY, REFERENCE, SPEC, VALIDATION
from ifonly.models.schema import Schema
from ifonly.models.training.dataset import (
    Dataset,
    Split,
    read_csv,
    simulated_split,
    stratified_split,
)
from ifonly.models.training.examples import choose_examples
from ifonly.models.training.fit import PARAMETERS, FitMetrics, TrainedModel, fit, measure
from ifonly.models.training.template import NAME, median_deviations, spec_text, untrained_schema

ROWS = 200_000
"""Simulated parts to fit."""
PARITY_ROWS = 100_000
REFERENCE_ROWS = 500

_LIBRARIES = ("numpy", "onnx", "onnxmltools", "onnxruntime", "sklearn", "xgboost")


@dataclass(frozen=True)
class TrainingReport:
    """What was trained, and how it is known to be sound: also ``parity.json``."""

    folder: Path
    """``<out>/milling-machine/<version>``"""
    model_sha256: str
    data: str
    """``"simulated"``, or the name of the CSV file."""
    data_sha256: str
    """Digest of the rows that were fitted."""
    rows: int
    """Number of those."""
    seed: int
    threshold: float
    metrics: FitMetrics
    """On the test rows, scored by the exported graph."""
    parity: ParityReport
    validation_sha256: str
    """Of ``validation.csv``: some of the test rows."""

    def as_dict(self) -> dict[str, Any]:
        """What ``parity.json`` says; nothing in it depends on where or when it was made."""
        return {
            "format": 1,
            "model_sha256": self.model_sha256,
            "parity": asdict(self.parity),
            "metrics": {"data": "test rows", "threshold": self.threshold, **asdict(self.metrics)},
            "training": {
                "data": self.data,
                "data_sha256": self.data_sha256,
                "rows": self.rows,
                "seed": self.seed,
                "parameters": PARAMETERS,
            },
            "validation": {"sha256": self.validation_sha256, "held_out": True},
            "platform": f"{platform.system()} {platform.machine()}",
            "libraries": libraries(),
        }


def train(
    out: Path,
    *,
    csv: Path | None = None,
    seed: int = 0,
    rows: int = ROWS,
    version: str = "1",
) -> TrainingReport:
    """Train the milling machine's alarm and write ``out/milling-machine/<version>/``.

    From ``rows`` simulated parts, or from the UCI file at ``csv`` (``rows`` is then not used).
    The folder appears complete, or not at all. Needs the extra ``train``.

    Raises
    ------
    FileExistsError
        If that version is there already: a version is never changed.
    DataError
        If the file cannot be used; the message names line, column and value.
    ParityError
        If the exported graph does not decide as the trained model does.
    """
    folder = out / NAME / version
    # Before the work, and not after it.
    if folder.exists():
        raise FileExistsError(f"{folder} is there already: train another version")
    schema = untrained_schema()
    split = _split(csv, schema, seed, rows)
    trained = fit(split.train, split.validation, seed)
    with _appearing(folder) as draft:
        scales = median_deviations(split.train.rows, schema)
        _write(draft / MODEL, to_bytes(export_onnx(trained.estimator, len(schema), name=NAME)))
        _write(draft / SPEC, spec_text(version, trained.threshold, scales, csv))
        _write(draft / REFERENCE, _reference(split.train.rows, schema, seed))
        # Scored as it will be served, not by the trained object.
        deployed = load_folder(draft)
        labelled = labelled_rows(split.test, deployed.spec.schema, class_names(deployed), seed)
        _write(draft / VALIDATION, labelled)
        report = _report(folder, deployed, trained, split, csv, seed, labelled)
        _write(draft / PARITY, _json(report.as_dict()))
        decision = deployed.spec.decision
        _write(draft / EXAMPLES, _json(choose_examples(deployed.predictor, decision, schema, seed)))
        load_folder(draft)  # what is published can be deployed
    return report


@contextmanager
def _appearing(folder: Path) -> Iterator[Path]:
    """An empty draft of ``<name>/<version>`` that takes its place if nothing fails."""
    name, version = folder.parts[-2:]
    folder.parent.mkdir(parents=True, exist_ok=True)
    # On the same file system, so that the last step is one rename; a dot hides it from readers.
    with tempfile.TemporaryDirectory(prefix=".training-", dir=folder.parent) as scratch:
        draft = Path(scratch) / name / version
        draft.mkdir(parents=True)
        yield draft
        draft.rename(folder)


def _write(path: Path, content: str | bytes) -> None:
    path.write_bytes(content.encode() if isinstance(content, str) else content)


def _json(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False, indent=2) + "\n"


def _split(csv: Path | None, schema: Schema, seed: int, rows: int) -> Split:
    if csv is None:
        return simulated_split(rows, seed)
    return stratified_split(read_csv(csv, schema), seed)


def _report(
    folder: Path,
    deployed: DeployedModel,
    trained: TrainedModel,
    split: Split,
    csv: Path | None,
    seed: int,
    labelled: bytes,
) -> TrainingReport:
    parity = check_parity(
        trained.score,
        deployed.predictor.score,
        split.test.rows,
        deployed.thresholds,
        deployed.spec.decision,
        n_rows=PARITY_ROWS,
        seed=seed,
    )
    scores = deployed.predictor.score(split.test.rows)[:, 0]
    return TrainingReport(
        folder=folder,
        model_sha256=deployed.model_sha256,
        data="simulated" if csv is None else csv.name,
        data_sha256=split.train.sha256,
        rows=len(split.train),
        seed=seed,
        threshold=trained.threshold,
        metrics=measure(scores, trained.threshold, split.test),
        parity=parity,
        validation_sha256=hashlib.sha256(labelled).hexdigest(),
    )


def class_names(deployed: DeployedModel) -> tuple[str, str]:
    """Of a part that did not fail, and of one that did."""
    decision = deployed.spec.decision
    names = decision.class_names
    return names[1 - decision.positive], names[decision.positive]


def labelled_rows(test: Dataset, schema: Schema, names: tuple[str, str], seed: int) -> bytes:
    """``validation.csv``: test rows drawn without regard to what became of them, so that failures
    are as rare in it as in the plant."""
    rng = np.random.default_rng(seed)
    count = min(MOST_LABELLED, len(test))
    drawn = test[np.sort(rng.choice(len(test), size=count, replace=False))]
    return labelled_csv(schema, drawn.rows, [names[int(failed)] for failed in drawn.failed])


def _reference(rows: Rows, schema: Schema, seed: int) -> str:
    """Rows drawn from those trained on, in their order, as CSV with categories by name."""
    rng = np.random.default_rng(seed)
    # In their order, so that the file does not depend on how they were drawn.
    drawn = np.sort(rng.choice(len(rows), size=min(REFERENCE_ROWS, len(rows)), replace=False))
    lines = [schema.names, *(tuple(schema.write(row).values()) for row in rows[drawn])]
    return "".join(",".join(str(cell) for cell in line) + "\n" for line in lines)


def libraries() -> dict[str, str]:
    """Versions of what made the model, by import name: xgboost has several distributions."""
    return {"python": platform.python_version(), **_installed()}


@cache
def _installed() -> dict[str, str]:
    distributions = packages_distributions()  # reads the list of files of everything installed
    return {name: installed_version(distributions[name][0]) for name in _LIBRARIES}
