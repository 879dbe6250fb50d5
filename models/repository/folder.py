"""One version folder, read into a :class:`DeployedModel` or refused."""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from ifonly.models.errors import GraphError, SpecError
from ifonly.models.graph import feature_thresholds
from ifonly.models.graph.checking import check_reading
from ifonly.models.graph.forms import GraphForm
from ifonly.models.graph.reading import read_graph
from ifonly.models.graph.refusal import UnreadableGraph
from ifonly.models.graph.rounding import bound_rounding
from ifonly.models.onnx import Guard, GuardLimits, OnnxPredictor, load_plausibility, load_predictor
from ifonly.models.onnx.measuring import measure_rounding
from ifonly.models.onnx.trial import trial_rows
from ifonly.models.predictor import Rows
from ifonly.models.quality import LabelledRows, read_labelled
from ifonly.models.repository.deployed import DeployedModel, Elsewhere, Example
from ifonly.models.repository.reference import read_examples, read_reference, read_table
from ifonly.models.rounding import Rounding
from ifonly.models.schema import Schema
from ifonly.models.spec import Spec, parse_spec
from ifonly.models.toml_bounds import MAX_BYTES as MAX_TOML

MODEL, SPEC = "model.onnx", "spec.toml"
REFERENCE, EXAMPLES, PARITY = "reference.csv", "examples.json", "parity.json"
VALIDATION = "validation.csv"
PLAUSIBILITY = "plausibility.onnx"
CAUSAL, MECHANISMS, EFFECTS = "causal.toml", "mechanisms", "effects"

_MOST = {
    **dict.fromkeys((SPEC, CAUSAL), MAX_TOML),
    **dict.fromkeys((EXAMPLES, PARITY), 8 << 20),
    REFERENCE: 64 << 20,
    VALIDATION: 16 << 20,
}
"""Bytes of files that are read whole. A graph is as long as a model may be."""
_MOST_OF_ANY = 1 << 30


class Folder:
    """The files of one version folder, none of which may lie outside ``root``."""

    def __init__(self, path: Path, root: Path) -> None:
        self.path = path
        self._root = root.resolve()
        self._label = f"{path.parent.name}/{path.name}"

    def label(self, name: str) -> str:
        """How errors call the file ``name``."""
        return f"{self._label}/{name}"

    def read(self, name: str) -> bytes | None:
        """Bytes of the file ``name``; None where there is none.

        Raises
        ------
        SpecError
            If it is a link that leaves the repository, is longer than such a file may be, or
            cannot be read.
        """
        path = self.path / name
        # A link in a model's folder must not show any file of the machine.
        if not path.resolve().is_relative_to(self._root):
            raise SpecError(self.label(name), "", "is a link that leaves the repository")
        most = _MOST.get(name.rpartition("/")[2], _MOST_OF_ANY)
        try:
            # Before it is read: a file of gigabytes would fill the memory first.
            if path.stat().st_size > most:
                raise SpecError(self.label(name), "", f"is longer than {most:,} bytes")
            return path.read_bytes()
        except FileNotFoundError:
            return None
        except OSError as error:
            raise SpecError(self.label(name), "", f"cannot be read: {error}") from error

    def below(self, name: str) -> Mapping[str, bytes]:
        """Bytes of the files in the folder ``name``, by path from this one; none: no folder.

        Raises
        ------
        SpecError
            As :meth:`read`.
        """
        try:
            found = sorted(item.name for item in (self.path / name).iterdir() if item.is_file())
        except (FileNotFoundError, NotADirectoryError):
            return {}
        paths = [f"{name}/{file}" for file in found if not file.startswith(".")]
        return {path: self.need(path, "it was there a moment ago") for path in paths}

    def need(self, name: str, why: str) -> bytes:
        """As :meth:`read`, of a file that must be there."""
        data = self.read(name)
        if data is None:
            raise SpecError(self.label(name), "", f"is missing: {why}")
        return data


def load_folder(
    path: Path, root: Path | None = None, *, threads: int = 1, limits: GuardLimits | None = None
) -> DeployedModel:
    """Read, check and try the model in ``path``, a version folder ``<name>/<version>``, whose
    graphs are held to ``limits`` as long as they are run.

    Raises
    ------
    SpecError
        If a file beside the graph breaks a rule, or is missing.
    GraphError
        If a graph cannot be served; the message names the file.
    """
    folder = Folder(path, root or path.parent.parent)
    spec_bytes = folder.need(SPEC, "it says what the model reads and decides")
    spec = parse_spec(spec_bytes, folder.label(SPEC))
    # Before the graph: a folder under another name must cost nothing.
    _check_names(spec, folder)
    guard = Guard(f"{spec.name}/{spec.version}", limits)
    reference = _reference(folder, spec)
    model = _model(folder, spec, reference, threads, guard)
    causal = folder.read(CAUSAL)
    parity = _parity(folder, model["model_sha256"])
    return DeployedModel(
        name=spec.name,
        version=spec.version,
        spec=spec,
        spec_sha256=spec.sha256,
        folder=path,
        reference=reference,
        plausibility=_plausibility(folder, spec, threads, guard),
        guard=guard,
        causal=causal,
        causal_sha256="" if causal is None else hashlib.sha256(causal).hexdigest(),
        causal_files={}
        if causal is None
        else {**folder.below(MECHANISMS), **folder.below(EFFECTS)},
        examples=_examples(folder, spec),
        parity=parity,
        validation=_validation(folder, spec, parity),
        **model,
    )


def _model(
    folder: Folder, spec: Spec, reference: Rows | None, threads: int, guard: Guard
) -> dict[str, Any]:
    """The graph and all that is read from it; or that there is none, where a server has the
    model."""
    remote = spec.remote
    why = "it is the model"
    data = folder.read(MODEL) if remote is not None else folder.need(MODEL, why)
    if data is None:
        assert remote is not None
        return {
            "predictor": Elsewhere(remote.url),
            "model_sha256": remote.sha256,
            "has_copy": False,
            "form_refusal": f"there is no graph here; the model is at {remote.url}",
        }
    loaded = _graph(folder, MODEL, data, spec, threads, guard)
    predictor, form, form_refusal = understood(loaded, spec.schema, reference)
    return {
        "predictor": predictor,
        "model_sha256": predictor.sha256,
        "form": form,
        "form_refusal": form_refusal,
        "thresholds": feature_thresholds(predictor.model, predictor.encoding.columns),
    }


def understood(
    predictor: OnnxPredictor, schema: Schema, reference: Rows | None
) -> tuple[OnnxPredictor, GraphForm | None, str]:
    """A graph that was just loaded, with its rounding; as mathematics, or else why not."""
    form, refusal = _form(predictor, schema, reference)
    # Last, as its bound needs the reading, and its measure the session.
    return predictor.knowing(_rounding(predictor, form, schema, reference)), form, refusal


def _form(
    predictor: OnnxPredictor, schema: Schema, reference: Rows | None
) -> tuple[GraphForm | None, str]:
    """The graph as mathematics, tried against ONNX Runtime; or why there is none."""
    rows = trial_rows(schema) if reference is None else reference
    try:
        form = read_graph(predictor.model, predictor.encoding, predictor.columns)
        check_reading(form, predictor, rows)
    # Served all the same: engines that only need scores remain.
    except UnreadableGraph as refusal:
        return None, str(refusal)
    return form, ""


def _rounding(
    predictor: OnnxPredictor, form: GraphForm | None, schema: Schema, reference: Rows | None
) -> Rounding:
    """Proven of a graph that could be read, measured of any other."""
    trial = trial_rows(schema)  # with each feature's bounds and every category
    rows = trial if reference is None else np.concatenate([trial, reference])
    bounded = all(
        f.kind.is_categorical or math.isfinite(f.upper - f.lower) for f in schema.features
    )
    found = None if form is None else bound_rounding(form, rows, bounded=bounded)
    # What cannot be proven is measured, and says so.
    return found or measure_rounding(predictor, rows)


def _check_names(spec: Spec, folder: Folder) -> None:
    file = folder.label(SPEC)
    for key, value, actual in (
        ("name", spec.name, folder.path.parent.name),
        ("version", spec.version, folder.path.name),
    ):
        if value != actual:
            raise SpecError(file, key, f"is {value!r}, but the folder is called {actual!r}")


def _graph(
    folder: Folder, name: str, data: bytes, spec: Spec, threads: int, guard: Guard
) -> OnnxPredictor:
    load = load_predictor if name == MODEL else load_plausibility
    try:
        return load(data, spec, threads=threads, folder=folder.path, guard=guard)
    except GraphError as error:
        raise GraphError(f"{folder.label(name)}: {error}") from error


def _reference(folder: Folder, spec: Spec) -> Rows | None:
    data = folder.read(REFERENCE)
    if data is None:
        _check_plausible(folder, spec, "knn", REFERENCE)
        return None
    return read_reference(data, spec.schema, folder.label(REFERENCE))


def _plausibility(folder: Folder, spec: Spec, threads: int, guard: Guard) -> OnnxPredictor | None:
    data = folder.read(PLAUSIBILITY)
    if data is None:
        _check_plausible(folder, spec, "onnx", PLAUSIBILITY)
        return None
    return _graph(folder, PLAUSIBILITY, data, spec, threads, guard)


def _check_plausible(folder: Folder, spec: Spec, method: str, absent: str) -> None:
    """A constraint that cannot be computed is refused, never dropped."""
    if spec.policy.get("plausibility", {}).get("method") == method:
        raise SpecError(
            folder.label(SPEC), "policy.plausibility.method", f"is {method!r}, which needs {absent}"
        )


def _examples(folder: Folder, spec: Spec) -> tuple[Example, ...]:
    data = folder.read(EXAMPLES)
    return () if data is None else read_examples(data, spec.schema, folder.label(EXAMPLES))


def _parity(folder: Folder, model_sha256: str) -> Mapping[str, Any] | None:
    data = folder.read(PARITY)
    if data is None:
        return None
    try:
        report = json.loads(data)
    except (ValueError, RecursionError) as error:
        raise SpecError(folder.label(PARITY), "", f"is not JSON: {error}") from error
    if not isinstance(report, dict):
        raise SpecError(folder.label(PARITY), "", "is not a table")
    # A report that names no digest is taken to be of this model.
    measured = report.get("model_sha256", model_sha256)
    if measured != model_sha256:
        raise SpecError(
            folder.label(PARITY),
            "model_sha256",
            f"is {measured}, but {MODEL} has {model_sha256}: it was measured on another model",
        )
    return report


def _validation(
    folder: Folder, spec: Spec, parity: Mapping[str, Any] | None
) -> LabelledRows | None:
    data = folder.read(VALIDATION)
    if data is None:
        return None
    file, digest = folder.label(VALIDATION), hashlib.sha256(data).hexdigest()
    table = read_table(data, spec.schema, file)
    labelled = read_labelled(table.rows, table.others, spec.decision, file, digest)
    said = (parity or {}).get("validation")
    if not isinstance(said, Mapping):
        return labelled
    named = said.get("sha256", digest)
    if named != digest:
        raise SpecError(
            folder.label(PARITY),
            "validation.sha256",
            f"is {named}, but {VALIDATION} has {digest}: it is said of another file",
        )
    held_out = said.get("held_out")
    return replace(labelled, held_out=held_out if isinstance(held_out, bool) else None)
