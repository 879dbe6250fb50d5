"""Each kind of estimator of scikit-learn, deployed: is its graph read, are its answers proven?

    python -m bench.sklearn_kinds [--rows 20] [--seconds 1 10] [--write] [KIND ...]

Each is trained on two small public data sets (the AI4I machine, simulated as its authors describe
it, 6 features; breast cancer, the first 10 features, both with steps of a thousandth of a range or
finer), converted as `ifonly.explain` converts any estimator, and asked about rows that it calls an
alarm, without rules. Seconds are of a processor, for the machine may be shared. ``--write``
puts the lines of the kinds that are named, or of all, into ``docs/benchmarks/sklearn-kinds.md``.
"""

from __future__ import annotations

import argparse
import re
import sys
import time
import warnings
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from sklearn import (
    calibration,
    covariance,
    discriminant_analysis,
    ensemble,
    mixture,
    multiclass,
    naive_bayes,
    neighbors,
    neural_network,
    pipeline,
    preprocessing,
    svm,
    tree,
)
from sklearn import linear_model as linear

from ifonly.asking import Made
from ifonly.explainers.answer import Infeasible, Recourse, Status
from ifonly.explainers.deadline import Deadline
from ifonly.explainers.explain import explain as search
from ifonly.scoring import scored

PAGE = Path(__file__).resolve().parents[1] / "docs" / "benchmarks" / "sklearn-kinds.md"
TABLE = re.compile(r"<!-- kinds -->\n.*?<!-- end -->\n", re.DOTALL)
PROVEN = (Status.OPTIMAL, Status.INFEASIBLE)
TRAINED = 1_200


@dataclass(frozen=True, eq=False)
class KindData:
    """Rows, and which of them are alarms."""

    rows: pd.DataFrame
    alarm: Any


@cache
def machine() -> KindData:
    """As many failures as good parts of the simulated machine."""
    from ifonly.models.training.dataset import simulated_split

    split = simulated_split(40_000, 0).train
    draw = np.random.default_rng(0)
    failed = np.flatnonzero(split.failed)
    good = draw.choice(np.flatnonzero(~split.failed), TRAINED - min(len(failed), TRAINED // 2))
    picked = draw.permutation(np.concatenate([failed[: TRAINED // 2], good]))
    names = ["air", "process", "speed", "torque", "wear", "quality"]
    rows = pd.DataFrame(split.rows[picked], columns=names)
    return KindData(rows, split.failed[picked].astype(int))


@cache
def tumours() -> KindData:
    from sklearn.datasets import load_breast_cancer

    bunch = load_breast_cancer(as_frame=True)
    rows = bunch.data.iloc[:, :10]
    return KindData(rows.rename(columns=lambda c: c.replace(" ", "_")), 1 - bunch.target.to_numpy())


DATA = {"machine": machine, "tumours": tumours}


def _scaled(model: Any) -> Any:
    return pipeline.make_pipeline(preprocessing.StandardScaler(), model)


def _forest() -> Any:
    return ensemble.RandomForestClassifier(50, max_depth=6, random_state=0)


def _line() -> Any:
    return _scaled(linear.LogisticRegression(max_iter=500))


def _mixed() -> list[tuple[str, Any]]:
    return [("line", _line()), ("forest", _forest())]


def _votes() -> list[tuple[str, Any]]:
    return [*_mixed(), ("bayes", naive_bayes.GaussianNB())]


def _stump() -> Any:
    return tree.DecisionTreeClassifier(max_depth=3)


ALARMS, VALUES, OUTLIERS = "alarms", "values", "outliers"
Kinds = dict[str, tuple[str, Callable[[], Any]]]
KINDS: Kinds = {
    "random forest": (ALARMS, _forest),
    "extra trees": (ALARMS, lambda: ensemble.ExtraTreesClassifier(50, max_depth=6, random_state=0)),
    "gradient boosting": (ALARMS, lambda: ensemble.GradientBoostingClassifier(random_state=0)),
    "histogram boosting": (ALARMS, lambda: ensemble.HistGradientBoostingClassifier(max_iter=60)),
    "AdaBoost of stumps": (ALARMS, lambda: ensemble.AdaBoostClassifier(random_state=0)),
    "AdaBoost of trees": (
        ALARMS, lambda: ensemble.AdaBoostClassifier(_stump(), n_estimators=30, random_state=0)
    ),
    "bagged trees": (ALARMS, lambda: ensemble.BaggingClassifier(_stump(), 30, random_state=0)),
    "bagged logistic": (ALARMS, lambda: ensemble.BaggingClassifier(_line(), 10, random_state=0)),
    "soft vote of forest, logistic": (
        ALARMS, lambda: ensemble.VotingClassifier(_mixed(), voting="soft")
    ),
    "hard vote of three": (ALARMS, lambda: ensemble.VotingClassifier(_votes())),
    "stack of forest, logistic": (ALARMS, lambda: ensemble.StackingClassifier(_mixed(), cv=3)),
    "calibrated forest, sigmoid": (
        ALARMS, lambda: calibration.CalibratedClassifierCV(_forest(), cv=3)
    ),
    "calibrated forest, isotonic": (
        ALARMS, lambda: calibration.CalibratedClassifierCV(_forest(), cv=3, method="isotonic")
    ),
    "calibrated forest, one": (
        ALARMS, lambda: calibration.CalibratedClassifierCV(_forest(), cv=3, ensemble=False)
    ),
    "calibrated LinearSVC": (
        ALARMS, lambda: _scaled(calibration.CalibratedClassifierCV(svm.LinearSVC(), cv=3))
    ),
    "logistic": (ALARMS, _line),
    "LDA": (ALARMS, discriminant_analysis.LinearDiscriminantAnalysis),
    "QDA": (
        ALARMS,
        lambda: _scaled(discriminant_analysis.QuadraticDiscriminantAnalysis(reg_param=0.05)),
    ),
    "Gaussian naive Bayes": (ALARMS, naive_bayes.GaussianNB),
    "Bernoulli naive Bayes": (ALARMS, lambda: _scaled(naive_bayes.BernoulliNB())),
    "SVC, linear": (ALARMS, lambda: _scaled(svm.SVC(kernel="linear"))),
    "SVC, RBF": (ALARMS, lambda: _scaled(svm.SVC())),
    "SVC, polynomial": (ALARMS, lambda: _scaled(svm.SVC(kernel="poly", degree=2))),
    "SVC, RBF, probabilities": (ALARMS, lambda: _scaled(svm.SVC(probability=True))),
    "5 nearest neighbours": (ALARMS, lambda: _scaled(neighbors.KNeighborsClassifier(5))),
    "neighbours by distance": (
        ALARMS, lambda: _scaled(neighbors.KNeighborsClassifier(5, weights="distance"))
    ),
    "one against the rest": (ALARMS, lambda: multiclass.OneVsRestClassifier(_line())),
    "polynomial logistic": (
        ALARMS,
        lambda: pipeline.make_pipeline(
            preprocessing.StandardScaler(), preprocessing.PolynomialFeatures(2),
            linear.LogisticRegression(max_iter=500),
        ),
    ),
    "MLP, ReLU": (
        ALARMS, lambda: _scaled(neural_network.MLPClassifier((16,), max_iter=300, random_state=0))
    ),
    "MLP, tanh": (
        ALARMS,
        lambda: _scaled(
            neural_network.MLPClassifier((8,), activation="tanh", max_iter=300, random_state=0)
        ),
    ),
    "AdaBoost of values": (VALUES, lambda: ensemble.AdaBoostRegressor(random_state=0)),
    "vote of values": (
        VALUES,
        lambda: ensemble.VotingRegressor(
            [("ridge", _scaled(linear.Ridge())),
             ("forest", ensemble.RandomForestRegressor(50, max_depth=6, random_state=0))]
        ),
    ),
    "SVR, RBF": (VALUES, lambda: _scaled(svm.SVR())),
    "5 neighbours of a value": (VALUES, lambda: _scaled(neighbors.KNeighborsRegressor(5))),
    "isolation forest": (
        OUTLIERS, lambda: ensemble.IsolationForest(n_estimators=100, random_state=0)
    ),
    "one-class SVM": (OUTLIERS, lambda: _scaled(svm.OneClassSVM(nu=0.05))),
    "elliptic envelope": (OUTLIERS, lambda: covariance.EllipticEnvelope(random_state=0)),
    "Gaussian mixture": (OUTLIERS, lambda: mixture.GaussianMixture(3, random_state=0)),
    "local outlier factor": (
        OUTLIERS, lambda: _scaled(neighbors.LocalOutlierFactor(novelty=True))
    ),
}  # fmt: skip


@dataclass(frozen=True)
class KindFound:
    """What became of a kind on one data set."""

    reading: str
    engines: str
    asked: int
    proven: tuple[int, ...]
    """Within each of the times."""
    answered: int
    milliseconds: float
    """Median, of the shortest time."""


def measure(
    model: Any, what: str, data: KindData, most: int, seconds: Sequence[float]
) -> KindFound:
    """Fit, convert, and ask about the first ``most`` alarms."""
    rows, alarm = data.rows, data.alarm
    settings: dict[str, Any] = {}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        if what == OUTLIERS:
            model.fit(rows[alarm == 0])
            if type(model).__name__ == "GaussianMixture":
                limit = float(np.quantile(model.score_samples(rows[alarm == 0]), 0.05))
                settings["threshold"] = limit
                odd = model.score_samples(rows) < limit
            else:
                odd = model.predict(rows) < 0
        elif what == VALUES:
            model.fit(rows, alarm.astype(float))
            settings["threshold"] = 0.5
            odd = model.predict(rows) >= 0.5
        else:
            model.fit(rows, alarm)
            odd = model.predict(rows) == 1
        read = scored(model, rows, settings.get("threshold"))
        made = Made(read, {}, None, {}, 1, "en", None, 0)
        asked = made.read(rows[odd].iloc[:most])
        proven = [0] * len(seconds)
        answered, times = 0, []
        engines: set[str] = set()
        for row in asked:
            problem = made.problem(row)
            for at, limit in enumerate(seconds):
                started = time.thread_time()
                until = Deadline.after(limit, time.thread_time)
                found = search(problem, read.predictor, engine=made.engine, deadline=until)
                if at == 0:
                    times.append(1e3 * (time.thread_time() - started))
                if found.status in PROVEN:
                    for later in range(at, len(seconds)):
                        proven[later] += 1
                    break
            engines.add(found.work.engine)
            answered += isinstance(found, Recourse | Infeasible)
    reading = type(read.form.core).__name__ if read.form is not None else "asked"
    said = ", ".join(sorted(engine.split("/")[0] for engine in engines))
    return KindFound(
        reading, said, len(asked), tuple(proven), answered, float(np.median(times or [0.0]))
    )


def _lines(names: Sequence[str], most: int, seconds: Sequence[float]) -> Iterator[str]:
    for name in names:
        what, make = KINDS[name]
        cells, readings, engines = [], [], []
        for data in DATA.values():
            found = measure(make(), what, data(), most, seconds)
            readings.append(found.reading)
            engines.append(found.engines)
            each = " / ".join(str(n) for n in found.proven)
            cells.append(f"{each} of {found.asked} | {found.milliseconds:.0f}")
        line = f"| {name} | {_one(readings)} | {_one(engines)} | {' | '.join(cells)} |"
        print(line, file=sys.stderr, flush=True)
        yield line


def _one(words: Sequence[str]) -> str:
    return ", ".join(dict.fromkeys(word for each in words for word in each.split(", ")))


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m bench.sklearn_kinds")
    parser.add_argument("--rows", type=int, default=20)
    parser.add_argument("--seconds", type=float, nargs="+", default=[1.0, 10.0])
    parser.add_argument("--write", action="store_true")
    parser.add_argument("kinds", nargs="*")
    given = parser.parse_args()
    names = given.kinds or list(KINDS)
    limits = " / ".join(f"{s:g} s" for s in given.seconds)
    head = ["| kind | read as | engine |", "|---|---|---|"]
    for name in DATA:
        head[0] += f" {name}: proven in {limits} | ms |"
        head[1] += "---|---|"
    lines = dict(zip(names, _lines(names, given.rows, given.seconds), strict=True))
    if given.write:
        text = PAGE.read_text(encoding="utf-8")
        # A table takes longer than anybody waits: those that were measured before stay.
        known = {line.split("|")[1].strip(): line for line in text.splitlines() if line[:2] == "| "}
        told = [(known | lines)[name] for name in KINDS if name in known | lines]
        found = "\n".join(["<!-- kinds -->", *head, *told, "<!-- end -->\n"])
        PAGE.write_text(TABLE.sub(lambda _: found, text), encoding="utf-8")


if __name__ == "__main__":
    main()
