"""Do answers hold in every session of ONNX Runtime? Answers of generated models, scored by others.

    python -m bench.sessions [--questions 40]

Each answer's row, as the reply carries it, is scored in sessions of 1, 2 and 8 threads, alone and
in batches of 2, 7, 64 and 1,000 rows, first, last and in the middle of them. An answer that says
that it rests on rounding need not be confirmed; how many say so is counted.
"""

from __future__ import annotations

import argparse
import tempfile
import warnings
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from ifonly.explainers.answer import Answer, Recourse
from ifonly.explainers.explain import explain
from ifonly.explainers.policy import Policy
from ifonly.explainers.problem import Problem
from ifonly.explainers.search.portfolio import engines_for
from ifonly.models.onnx import OnnxPredictor
from ifonly.models.onnx.export import TARGET_OPSET, export_onnx, to_bytes
from ifonly.models.onnx.predictor import in_sessions
from ifonly.models.predictor import Row, Rows
from ifonly.models.repository import DeployedModel, load_folder
from ifonly.models.rounding import rounding_of

THREADS = (1, 2, 8)
BATCHES = (1, 2, 7, 64, 1_000)
N_COLUMNS = 4


@dataclass
class Count:
    """Of the answers of one model."""

    answers: int = 0
    rest_on_rounding: int = 0
    scored: int = 0
    """Scores that were taken of the other answers' rows."""
    denied: int = 0
    """Of them, those outside the target."""
    plain_denied: int = 0
    """Answers by the scores as they are, of the same questions, that some session denies."""


def iris(seed: int) -> tuple[Any, Any]:
    """Real measurements in steps of 0.1: many rows lie where classes tie."""
    from sklearn.datasets import load_iris

    x, y = load_iris(return_X_y=True)
    return x.astype(np.float32), y


def noisy(seed: int) -> tuple[Any, Any]:
    """Two classes that overlap."""
    draw = np.random.default_rng(seed)
    x = np.round(draw.uniform(0.0, 8.0, (400, N_COLUMNS)), 1).astype(np.float32)
    noise = draw.normal(0.0, 2.0, 400)
    return x, (x[:, 0] - x[:, 1] + 0.5 * x[:, 2] * x[:, 3] / 4.0 + noise > 2.0).astype(int)


def _forest(seed: int) -> Any:
    from sklearn.ensemble import RandomForestClassifier

    return RandomForestClassifier(50, random_state=seed + 1, n_jobs=1)


def _xgboost(seed: int) -> Any:
    import xgboost

    return xgboost.XGBClassifier(n_estimators=100, max_depth=4, n_jobs=1, random_state=seed)


def _lightgbm(seed: int) -> Any:
    import lightgbm

    return lightgbm.LGBMClassifier(n_estimators=60, n_jobs=1, verbose=-1, random_state=seed)


def _linear(seed: int) -> Any:
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    return make_pipeline(StandardScaler(), LogisticRegression(max_iter=1_000))


def _network(seed: int) -> Any:
    from sklearn.neural_network import MLPClassifier
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    network = MLPClassifier((12, 8), max_iter=200, random_state=seed)
    return make_pipeline(StandardScaler(), network)


def _smooth(seed: int) -> Any:
    from sklearn.neural_network import MLPClassifier

    return MLPClassifier((12,), activation="tanh", max_iter=200, random_state=seed)


MAKERS: dict[str, Callable[[int], Any]] = {
    "forest": _forest,
    "xgboost": _xgboost,
    "lightgbm": _lightgbm,
    "linear": _linear,
    "relu": _network,
    "tanh": _smooth,
}


def deployed(
    kind: str, data: tuple[Any, Any], folder: Path, seed: int, *, single: bool = False
) -> DeployedModel:
    """A model of ``kind``, trained, exported and loaded; ``single``: summed in float32 even where
    it would be exported with float64."""
    x, y = data
    estimator = MAKERS[kind](seed)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        estimator.fit(x, y)
        model = _exported(kind, estimator, x.shape[1], single=single)
    path = folder / f"{kind}{len(set(y))}{'s' if single else ''}" / "1"
    path.mkdir(parents=True)
    (path / "model.onnx").write_bytes(model)
    (path / "spec.toml").write_text(_spec(path.parent.name, x, len(set(y))), encoding="utf-8")
    return load_folder(path)


def _exported(kind: str, estimator: Any, n: int, *, single: bool) -> bytes:
    if kind == "lightgbm":
        from onnxmltools import convert_lightgbm
        from onnxmltools.convert.common.data_types import FloatTensorType

        model = convert_lightgbm(
            estimator,
            initial_types=[("features", FloatTensorType([None, n]))],
            target_opset=TARGET_OPSET[""],
            zipmap=False,
        )
        kept = [output for output in model.graph.output if output.name != "label"]
        del model.graph.output[:]
        model.graph.output.extend(kept)
        return bytes(model.SerializeToString())
    if single:
        from skl2onnx import to_onnx
        from skl2onnx.common.data_types import FloatTensorType as Single

        made = to_onnx(
            estimator,
            initial_types=[("features", Single([None, n]))],
            options={"zipmap": False},
            target_opset=TARGET_OPSET,
        )
        kept = [output for output in made.graph.output if output.name == "probabilities"]
        del made.graph.output[:]
        made.graph.output.extend(kept)
        return bytes(made.SerializeToString())
    return to_bytes(export_onnx(estimator, n, name=kind))


def _spec(name: str, x: Any, n_classes: int) -> str:
    names = ", ".join(f'"c{k}"' for k in range(n_classes))
    binary = n_classes == 2
    lines = [
        "format = 1",
        f'name = "{name}"',
        'version = "1"',
        f'task = "{"binary" if binary else "multiclass"}"',
        f'title = {{en = "{name}", ko = "{name}"}}',
        "[decision]",
        f"classes = [{names}]",
        'desired = "c0"',
        *(['positive = "c1"', "threshold = 0.5"] if binary else []),
    ]
    for j in range(x.shape[1]):
        low, high = float(np.floor(x[:, j].min())), float(np.ceil(x[:, j].max()))
        lines += [
            "[[features]]",
            f'name = "x{j}"',
            'kind = "continuous"',
            f'label = {{en = "x{j}", ko = "x{j}"}}',
            f"input = {{column = {j}}}",
            f"bounds = [{low}, {high}]",
            "resolution = 0.1",
        ]
    return "\n".join(lines) + "\n"


def questions(model: DeployedModel, rows: Rows, n: int) -> Iterator[Problem]:
    """``n`` about ``rows``, to each of the other classes in turn."""
    decision = model.spec.decision
    policy = Policy.read(model.spec.policy, model.spec.schema, decision, reference=model.reference)
    n_others = len(decision.classes) - 1
    for k in range(n):
        row = np.round(rows[(k // n_others) * len(rows) * n_others // n].astype(np.float64), 1)
        problem = policy.problem(row)
        decided = int(decision.decide(model.predictor.score(row[None]))[0])
        wanted = (decided + 1 + k % n_others) % len(decision.classes)
        yield replace(problem, target=replace(problem.target, wanted=wanted))


def campaign(model: DeployedModel, asked: Sequence[Problem], *, plain: bool = True) -> Count:
    """Answers to ``asked``, each put to sessions of every kind; ``plain``: and those by the scores
    as they are."""
    engine = engines_for(model.form, model.spec.schema)
    predictor = model.predictor
    assert isinstance(predictor, OnnxPredictor)
    sessions = in_sessions(predictor, THREADS)
    company = np.array([problem.factual for problem in asked])
    count = Count()
    for problem in asked:
        answer = explain(problem, predictor, engine=engine)
        if not isinstance(answer, Recourse):
            continue
        count.answers += 1
        found = answer.counterfactuals[0]
        if found.rests_on_rounding:
            count.rest_on_rounding += 1
        else:
            confirmed, scored = confirm(problem, sessions, np.array(found.row), company)
            count.scored += scored
            count.denied += scored - confirmed
        if plain:
            unaware = explain(problem, Unaware(predictor), engine=engine)
            count.plain_denied += _is_denied(unaware, problem, sessions, company)
    return count


def _is_denied(
    answer: Answer, problem: Problem, sessions: Sequence[OnnxPredictor], company: Rows
) -> bool:
    """Whether some session says that the answer's row is outside the target."""
    if not isinstance(answer, Recourse):
        return False
    confirmed, scored = confirm(problem, sessions, np.array(answer.counterfactuals[0].row), company)
    return confirmed < scored


class Unaware:
    """A predictor that knows nothing of its rounding."""

    def __init__(self, predictor: OnnxPredictor) -> None:
        self.score = predictor.score


def confirm(
    problem: Problem, sessions: Sequence[OnnxPredictor], row: Row, company: Rows
) -> tuple[int, int]:
    """In how many scores the row is in the target by the scores as they are, and of how many."""
    target, found = problem.target.plain, []
    for session in sessions:
        for size in BATCHES:
            for place in sorted({0, size // 2, size - 1}):
                batch = np.resize(company, (size, len(row)))
                batch[place] = row
                found.append(bool(target.met(session.score(batch)[[place]])[0]))
    return sum(found), len(found)


def models(folder: Path, seed: int) -> Iterator[tuple[str, DeployedModel, Rows]]:
    """Each with its name and the rows of its data."""
    for kind in MAKERS:
        for name, data in (("iris", iris(seed)), ("noisy", noisy(seed))):
            yield f"{kind}, {name}", deployed(kind, data, folder, seed), data[0]
            if kind in ("linear", "relu"):
                found = deployed(kind, data, folder, seed, single=True)
                yield f"{kind}, float32, {name}", found, data[0]


def main() -> None:
    from rich.console import Console
    from rich.table import Table

    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--questions", type=int, default=40)
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    table = Table(title="answers in sessions of 1, 2, 8 threads, batches of 1 to 1,000")
    for title in ("model", "rounding", "answers", "rest on it", "scores", "denied", "plain denied"):
        table.add_column(title)
    with tempfile.TemporaryDirectory() as folder:
        for name, model, rows in models(Path(folder), options.seed):
            count = campaign(model, list(questions(model, rows, options.questions)))
            known = rounding_of(model.predictor)
            most = max(f + s / 4.0 for f, s in zip(known.flat, known.steep, strict=True))
            table.add_row(
                name,
                f"{known.known} {most:.1e}",
                *map(
                    str,
                    (
                        count.answers,
                        count.rest_on_rounding,
                        count.scored,
                        count.denied,
                        count.plain_denied,
                    ),
                ),
            )
    Console(width=110).print(table)


if __name__ == "__main__":
    main()
