"""The data of the benchmark: rows, labels, what may be set, and the plant's rules.

The files are those of ``shared/data`` beside the repository (see its SOURCES.md); a data set
whose file is not there is skipped. Breast cancer comes with scikit-learn, AI4I can be simulated.
"""

from __future__ import annotations

import csv
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import numpy.typing as npt

from bench.study import Rules, StudyLever, StudyLinear, StudyRule

Matrix = npt.NDArray[np.float64]

SIMULATED_ROWS = 200_000
"""As the shipped default model is trained with."""


@dataclass(frozen=True, eq=False)
class Data:
    """Rows in codes, what is to be foretold, and how a study speaks of them."""

    name: str
    levers: tuple[StudyLever, ...]
    train: Matrix
    train_label: Matrix
    """1 is the side that raises the alarm; for a regression, the value."""
    test: Matrix
    rules: Rules
    task: str = "binary"
    limit: float = 0.5
    """Threshold of the score, where the model does not bring its own."""
    classes: tuple[str, str] = ("normal", "alarm")
    unit: str = ""


def datasets(shared: Path) -> dict[str, Callable[[], Data]]:
    """Name to loader, for every data set that can be had."""
    files: dict[str, tuple[Path | None, Callable[[Path], Data]]] = {
        "ai4i-simulated": (None, lambda _: _ai4i_simulated()),
        "ai4i-uci": (shared / "ai4i2020" / "ai4i2020.csv", _ai4i_file),
        "german-credit": (shared / "german_credit" / "german_readable.csv", _german),
        "steel-plates": (shared / "steel_plates" / "steel_plates_faults.csv", _steel),
        "gas-turbine": (shared / "gas_turbine" / "gt_2015.csv", _gas_turbine),
        "breast-cancer": (None, lambda _: _breast_cancer()),
    }
    found: dict[str, Callable[[], Data]] = {}
    for name, (file, load) in files.items():
        if file is None or file.is_file():
            found[name] = _bound(load, file or shared)
    return found


def _bound(load: Callable[[Path], Data], file: Path) -> Callable[[], Data]:
    return lambda: load(file)


# --- AI4I -----------------------------------------------------------------------------------------

AI4I_RULES = Rules(
    immutable=("air_temperature", "quality"),
    directions={"tool_wear": "down"},
    linear=(StudyLinear({"rotational_speed": 1.0, "torque": 12.5}, 1750.0),),
    implications=(StudyRule("if torque > 65 then rotational_speed <= 1550"),),
)


def _ai4i_levers() -> tuple[StudyLever, ...]:
    return (
        StudyLever("air_temperature", "continuous", 290.0, 310.0, "0.1", 1.0, 0, unit="K"),
        StudyLever("process_temperature", "continuous", 304.0, 316.0, "0.1", 1.0, 1, unit="K"),
        StudyLever("rotational_speed", "continuous", 1000.0, 3000.0, "1", 1.0, 2, unit="rpm"),
        StudyLever("torque", "continuous", 0.0, 80.0, "0.1", 1.0, 3, unit="Nm"),
        StudyLever("tool_wear", "continuous", 0.0, 300.0, "1", 1.0, 4, unit="min"),
        StudyLever("quality", "ordinal", 0.0, 2.0, "1", 1.0, 5, ("L", "M", "H")),
    )


def _ai4i(name: str, train: Matrix, failed: Matrix, test: Matrix) -> Data:
    levers = _scaled(_covering(_ai4i_levers(), np.concatenate([train, test])), train)
    return Data(name, levers, train, failed, test, AI4I_RULES, classes=("normal", "failure"))


def _ai4i_simulated() -> Data:
    from ifonly.models.training.dataset import simulated_split

    split = simulated_split(SIMULATED_ROWS, 0)
    failed = split.train.failed.astype(np.float64)
    return _ai4i("ai4i-simulated", split.train.rows, failed, split.test.rows)


def _ai4i_file(file: Path) -> Data:
    from ifonly.models.training.dataset import read_csv, stratified_split
    from ifonly.models.training.template import untrained_schema

    split = stratified_split(read_csv(file, untrained_schema()), 0)
    test = np.concatenate([split.validation.rows, split.test.rows])
    return _ai4i("ai4i-uci", split.train.rows, split.train.failed.astype(np.float64), test)


# --- German credit --------------------------------------------------------------------------------


def _german(file: Path) -> Data:
    table = _read(file)
    wanted = np.array([float(v) for v in table["GoodCustomer"]])
    # One column that never varies says nothing.
    names = [n for n in table if n != "GoodCustomer" and len(set(table[n])) > 1]
    levers, columns, at = [], [], 0
    for name in names:
        if name in ("Gender", "PurposeOfLoan"):
            categories = tuple(sorted(set(table[name])))
            codes = {c: float(k) for k, c in enumerate(categories)}
            columns.append(np.array([codes[v] for v in table[name]]))
            high = float(len(categories) - 1)
            levers.append(StudyLever(name, "nominal", 0.0, high, "1", 1.0, at, categories))
        else:
            columns.append(np.array([float(v) for v in table[name]]))
            low, high = float(columns[-1].min()), float(columns[-1].max())
            levers.append(StudyLever(name, "integer", low, high, "1", 1.0, at))
        at += levers[-1].width
    return _split(
        "german-credit",
        tuple(levers),
        np.column_stack(columns),
        (wanted < 0).astype(np.float64),
        Rules(
            immutable=("Gender", "ForeignWorker", "Single", "NumberOfLiableIndividuals"),
            directions={"Age": "up", "MissedPayments": "down"},
            linear=(
                StudyLinear(
                    {"CheckingAccountBalance_geq_0": 1.0, "CheckingAccountBalance_geq_200": -1.0},
                    0.0,
                ),
            ),
            implications=(
                StudyRule(
                    "if OwnsHouse >= 1 then RentsHouse <= 0",
                    (("OwnsHouse", 1.0), ("RentsHouse", 0.0)),
                ),
            ),
        ),
        classes=("good", "bad"),
    )


# --- steel plates ---------------------------------------------------------------------------------

STEEL_STEPS = {"Y_Minimum": "100", "Y_Maximum": "100", "Sum_of_Luminosity": "100"}


def _steel(file: Path) -> Data:
    """27 measurements; the alarm is "a fault of no known kind", which a person must look at."""
    table = _read(file)
    names = [n for n in table if not n.endswith(("_Fault", "_Faults"))]
    rows = np.array([[float(v) for v in table[n]] for n in names]).T
    levers = []
    for j, name in enumerate(names):
        whole = bool(np.all(rows[:, j] == np.rint(rows[:, j])))
        step = STEEL_STEPS.get(name, "1" if whole else "0.0001")
        kind = "integer" if whole and step == "1" else "continuous"
        low, high = float(rows[:, j].min()), float(rows[:, j].max())
        levers.append(StudyLever(name, kind, low, high, step, 1.0, j))
    return _split(
        "steel-plates",
        tuple(levers),
        rows,
        np.array([float(v) for v in table["Other_Faults"]]),
        Rules(
            immutable=(
                "TypeOfSteel_A300",
                "TypeOfSteel_A400",
                "Steel_Plate_Thickness",
                "Length_of_Conveyer",
            ),
            directions={"Minimum_of_Luminosity": "up", "Pixels_Areas": "down"},
            linear=(StudyLinear({"X_Maximum": 1.0, "X_Minimum": -1.0}, 0.0),),
            implications=(StudyRule("if Outside_X_Index > 0.1 then X_Perimeter >= 50"),),
        ),
        classes=("known", "unknown"),
    )


# --- gas turbine ----------------------------------------------------------------------------------

TURBINE = {
    "AT": ("0.01", "degC"),
    "AP": ("0.1", "mbar"),
    "AH": ("0.01", "%"),
    "AFDP": ("0.001", "mbar"),
    "GTEP": ("0.01", "mbar"),
    "TIT": ("0.1", "degC"),
    "TAT": ("0.01", "degC"),
    "TEY": ("0.01", "MWh"),
    "CDP": ("0.001", "bar"),
}
NOX_LIMIT = 65.0
"""mg/m3; a quarter of the hours of 2015 are above it."""


def _gas_turbine(file: Path) -> Data:
    table = _read(file)
    rows = np.array([[float(v) for v in table[n]] for n in TURBINE]).T
    levers = tuple(
        StudyLever(
            name, "continuous", float(rows[:, j].min()), float(rows[:, j].max()), step, 1.0, j,
            unit=unit,
        )
        for j, (name, (step, unit)) in enumerate(TURBINE.items())
    )  # fmt: skip
    data = _split(
        "gas-turbine",
        levers,
        rows,
        np.array([float(v) for v in table["NOX"]]),
        Rules(
            immutable=("AT", "AP", "AH"),
            directions={"AFDP": "down"},
            linear=(StudyLinear({"TIT": 1.0, "TAT": -1.0}, 480.0),),
            implications=(StudyRule("if TEY > 150 then TIT >= 1090"),),
        ),
        task="regression",
        classes=("within", "above"),
    )
    return replace(data, limit=NOX_LIMIT, unit="mg/m3")


# --- breast cancer --------------------------------------------------------------------------------


def _breast_cancer() -> Data:
    from sklearn.datasets import load_breast_cancer

    bunch = load_breast_cancer()
    rows = np.asarray(bunch.data, dtype=np.float64)
    names = [str(n).replace(" ", "_") for n in bunch.feature_names]
    levers = tuple(
        StudyLever(
            name, "continuous", float(rows[:, j].min()), float(rows[:, j].max()), step, 1.0, j
        )
        for j, (name, step) in enumerate(zip(names, map(_thousandth, rows.T), strict=True))
    )
    return _split(
        "breast-cancer",
        levers,
        rows,
        (np.asarray(bunch.target) == 0).astype(np.float64),
        Rules(
            immutable=("mean_symmetry", "mean_fractal_dimension"),
            directions={"worst_area": "down"},
            linear=(StudyLinear({"worst_radius": 1.0, "mean_radius": -1.0}, 0.0),),
            implications=(StudyRule("if worst_radius > 16 then worst_area >= 700"),),
        ),
        classes=("benign", "malignant"),
    )


def _thousandth(values: Matrix) -> str:
    """The power of ten nearest below a thousandth of the range."""
    power = int(np.floor(np.log10((values.max() - values.min()) / 1000)))
    return f"{10.0**power:.{max(0, -power)}f}"


# --- all of them ----------------------------------------------------------------------------------


def _read(file: Path) -> dict[str, list[str]]:
    with file.open(encoding="utf-8-sig", newline="") as lines:
        records = list(csv.DictReader(lines))
    return {name: [record[name] for record in records] for name in records[0]}


def _split(
    name: str,
    levers: tuple[StudyLever, ...],
    rows: Matrix,
    label: Matrix,
    rules: Rules,
    *,
    task: str = "binary",
    classes: tuple[str, str],
) -> Data:
    """60 % to train, the rest to ask about."""
    order = np.random.default_rng(0).permutation(len(rows))
    cut = round(0.6 * len(rows))
    train, test = order[:cut], order[cut:]
    levers = _scaled(_covering(levers, rows), rows[train])
    return Data(name, levers, rows[train], label[train], rows[test], rules, task, 0.5, classes)


def _covering(levers: tuple[StudyLever, ...], rows: Matrix) -> tuple[StudyLever, ...]:
    """Bounds that hold every reading."""
    return tuple(
        replace(
            lever,
            lower=min(lever.lower, float(rows[:, j].min())),
            upper=max(lever.upper, float(rows[:, j].max())),
        )
        for j, lever in enumerate(levers)
    )


def _scaled(levers: tuple[StudyLever, ...], train: Matrix) -> tuple[StudyLever, ...]:
    """The default scale: median absolute deviation, the range where that is 0."""
    return tuple(
        lever if not lever.is_number else replace(lever, scale=_scale(train[:, j]))
        for j, lever in enumerate(levers)
    )


def _scale(values: Matrix) -> float:
    deviation = float(np.median(np.abs(values - np.median(values))))
    return deviation or float(values.max() - values.min()) or 1.0
