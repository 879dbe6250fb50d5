"""The models of the benchmark: trained, exported, deployed in a folder, and kept in a cache.

Each becomes a model folder like any other, loaded through the same door; beside it lies what the
training library itself saved, for the peers that read trees instead of asking the model.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import onnx

from bench.datasets import Data
from bench.study import Rules, StudyLever, StudySetup
from ifonly.models.onnx.export import TARGET_OPSET, export_onnx, to_bytes

REFERENCES = 10_000
"""Most training rows that a library is given."""


@dataclass(frozen=True)
class Recipe:
    """A way to train."""

    name: str
    kind: str
    make: Callable[[Data], Any]


def _xgboost(trees: int, depth: int) -> Recipe:
    def make(data: Data) -> Any:
        import xgboost

        if data.name == "ai4i-simulated":  # 200 trees of depth 6 are the shipped default model
            from ifonly.models.training.fit import PARAMETERS

            return xgboost.XGBClassifier(
                **{**PARAMETERS, "n_estimators": trees, "max_depth": depth, "random_state": 0}
            )
        estimator = xgboost.XGBRegressor if data.task == "regression" else xgboost.XGBClassifier
        return estimator(
            n_estimators=trees, max_depth=depth, learning_rate=0.1, n_jobs=1, random_state=0
        )

    return Recipe(f"xgboost-{trees}x{depth}", "xgboost", make)


def _forest(data: Data) -> Any:
    from sklearn.ensemble import RandomForestClassifier, RandomForestRegressor

    estimator = RandomForestRegressor if data.task == "regression" else RandomForestClassifier
    return estimator(n_estimators=100, max_depth=10, random_state=0, n_jobs=1)


def _lightgbm(data: Data) -> Any:
    import lightgbm

    estimator = lightgbm.LGBMRegressor if data.task == "regression" else lightgbm.LGBMClassifier
    return estimator(n_estimators=200, max_depth=6, num_leaves=31, n_jobs=1, verbose=-1)


def _linear(data: Data) -> Any:
    from sklearn.linear_model import LogisticRegression, Ridge
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    last = Ridge() if data.task == "regression" else LogisticRegression(max_iter=2000)
    return make_pipeline(StandardScaler(), last)


def _network(first: int, second: int) -> Recipe:
    def make(data: Data) -> Any:
        from sklearn.neural_network import MLPClassifier, MLPRegressor
        from sklearn.pipeline import make_pipeline
        from sklearn.preprocessing import StandardScaler

        estimator = MLPRegressor if data.task == "regression" else MLPClassifier
        last = estimator(hidden_layer_sizes=(first, second), max_iter=300, random_state=0)
        return make_pipeline(StandardScaler(), last)

    return Recipe(f"mlp-{first}x{second}", "network", make)


def _isolation(data: Data) -> Any:
    from sklearn.ensemble import IsolationForest

    return IsolationForest(n_estimators=100, max_samples=256, random_state=0, n_jobs=1)


ISOLATION = Recipe("isolation-100x256", "isolation", _isolation)
"""Learns from readings alone, and scores what is odd below 0."""
RECIPES = {
    recipe.name: recipe
    for recipe in (
        *(_xgboost(trees, depth) for trees in (100, 200, 500) for depth in (4, 6)),
        Recipe("forest-100x10", "forest", _forest),
        Recipe("lightgbm-200x6", "lightgbm", _lightgbm),
        Recipe("linear", "linear", _linear),
        _network(16, 16),
        _network(64, 32),
    )
}


def deploy(data: Data, recipe: Recipe, cache: Path) -> StudySetup:
    """The study of one model without rules; trained now unless the cache has it."""
    name = f"{data.name}-{recipe.name}"
    folder = cache / "models" / name / "1"
    native = folder.parent / "native"
    reference = folder.parent / "reference.npz"
    described = folder.parent / "threshold.json"
    if not described.is_file():
        folder.mkdir(parents=True, exist_ok=True)
        threshold = _train(data, recipe, folder, native, name)
        _keep_references(data, reference)
        described.write_text(json.dumps(threshold))
    return StudySetup(
        dataset=data.name,
        model=recipe.name,
        setting="free",
        kind=recipe.kind,
        task="regression" if recipe is ISOLATION else data.task,
        threshold=json.loads(described.read_text()),
        wants_below=recipe is not ISOLATION,
        levers=data.levers,
        rules=Rules(),
        folder=str(folder),
        native=str(native),
        reference=str(reference),
    )


def _train(data: Data, recipe: Recipe, folder: Path, native: Path, name: str) -> float:
    estimator = recipe.make(data)
    matrix = _encoded(data.levers, data.train)
    # Trees decide in float32; what they are trained on must be what they are asked about.
    if recipe.kind in ("xgboost", "forest", "lightgbm", "isolation"):
        matrix = matrix.astype(np.float32)
    estimator.fit(matrix, data.train_label)
    threshold = _threshold(data, recipe)
    (folder / "model.onnx").write_bytes(_exported(estimator, recipe, matrix.shape[1], name))
    (folder / "spec.toml").write_text(_spec(data, recipe, name, threshold), encoding="utf-8")
    _save(estimator, recipe, native)
    return threshold


def _threshold(data: Data, recipe: Recipe) -> float:
    """The shipped model's own threshold for the simulated machine; otherwise the data's."""
    if data.name == "ai4i-simulated" and recipe.kind == "xgboost":
        return 0.45
    return 0.0 if recipe is ISOLATION else data.limit


def _encoded(levers: tuple[StudyLever, ...], rows: Any) -> Any:
    columns = []
    for j, lever in enumerate(levers):
        if lever.kind == "nominal":
            columns.append(rows[:, [j]] == np.arange(lever.width))
        else:
            columns.append(rows[:, [j]])
    return np.concatenate(columns, axis=1).astype(np.float64)


def _exported(estimator: Any, recipe: Recipe, n_columns: int, name: str) -> bytes:
    if recipe is ISOLATION:
        from skl2onnx import to_onnx

        opsets = {**TARGET_OPSET, "": 18}
        sample = np.zeros((1, n_columns), np.float32)
        return _scores_only(to_onnx(estimator, sample, name=name, target_opset=opsets))
    if recipe.kind != "lightgbm":
        return to_bytes(export_onnx(estimator, n_columns, name=name))
    from onnxmltools import convert_lightgbm
    from onnxmltools.convert.common.data_types import FloatTensorType

    model = convert_lightgbm(
        estimator,
        name=name,
        initial_types=[("features", FloatTensorType([None, n_columns]))],
        target_opset=TARGET_OPSET[""],
        zipmap=False,
    )
    return _scores_only(model)


def _scores_only(model: onnx.ModelProto) -> bytes:
    kept = [o for o in model.graph.output if o.name != "label"]
    del model.graph.output[:]
    model.graph.output.extend(kept)
    return bytes(model.SerializeToString(deterministic=True))


def _save(estimator: Any, recipe: Recipe, native: Path) -> None:
    """As the training library saves; scikit-learn has no format of its own."""
    if recipe.kind == "xgboost":
        native.write_bytes(bytes(estimator.get_booster().save_raw(raw_format="json")))
    elif recipe.kind == "lightgbm":
        native.write_text(estimator.booster_.model_to_string())
    else:
        import joblib

        joblib.dump(estimator, native)


def _keep_references(data: Data, file: Path) -> None:
    chosen = np.random.default_rng(0).permutation(len(data.train))[:REFERENCES]
    wanted = data.train_label[chosen] < data.limit
    np.savez_compressed(file, rows=data.train[chosen], wanted=wanted)


def _spec(data: Data, recipe: Recipe, name: str, threshold: float) -> str:
    normal, alarm = ("normal", "odd") if recipe is ISOLATION else data.classes
    lines = [
        "format = 1",
        f'name = "{name}"',
        'version = "1"',
        f'task = "{"regression" if recipe is ISOLATION else data.task}"',
        f'title = {{en = "{name}", ko = "{name}"}}',
        "[decision]",
        f'classes = ["{normal}", "{alarm}"]',
        # The class from the threshold on.
        f'positive = "{normal if recipe is ISOLATION else alarm}"',
        f"threshold = {threshold!r}",
        f'desired = "{normal}"',
        *([f'unit = "{data.unit}"'] if data.unit and recipe is not ISOLATION else []),
    ]
    for lever in data.levers:
        lines += [
            "[[features]]",
            f'name = "{lever.name}"',
            f'kind = "{lever.kind}"',
            f'label = {{en = "{lever.name}", ko = "{lever.name}"}}',
            f"input = {{column = {lever.column}}}",
        ]
        if lever.is_number:
            lines += [
                f"bounds = [{lever.lower!r}, {lever.upper!r}]",
                f"resolution = {lever.resolution}",
                *([f'unit = "{lever.unit}"'] if lever.unit else []),
            ]
        else:
            names = ", ".join(f'"{c}"' for c in lever.categories)
            encoding = "one-hot" if lever.kind == "nominal" else "codes"
            lines += [f"categories = [{names}]", f'encoding = "{encoding}"']
    return "\n".join(lines) + "\n"
