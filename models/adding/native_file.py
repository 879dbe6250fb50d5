"""Files in which libraries keep their own models, none of which runs code when it is read."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ifonly.models.adding.table import Columns, number_of
from ifonly.models.conversion import Converted, convert
from ifonly.models.errors import DataError, GraphError
from ifonly.models.native import names_read_by, native
from ifonly.models.sample import read_sample


@dataclass(frozen=True, eq=False)
class NativeModel:
    """What was read, as a graph."""

    kind: str
    columns: tuple[str, ...]
    """Those of the sample that it reads, in its order."""
    converted: Converted

    @property
    def told(self) -> str:
        found = self.converted.report
        return (
            f"{self.kind} was converted to ONNX: {found.rows:,} rows, "
            f"{found.threshold_neighbours:,} of them beside split thresholds, are decided alike, "
            f"and scored within {found.max_difference:.1g}"
        )


def is_native(file: Path) -> bool:
    """Whether the name is one by which these libraries call their files."""
    return file.suffix.lower() in _READERS


def read_native(
    file: Path, columns: Columns, *, label: str | None = None, read: Sequence[str] | None = None
) -> NativeModel:
    """The model in ``file``, converted to a graph that decides alike.

    Parameters
    ----------
    columns : mapping of str to list
        A sample of its rows.
    label : str, optional
        Column of ``columns`` that is no input.
    read : sequence of str, optional
        Columns that it reads, in its order; by default those whose names it knows, else all.

    Raises
    ------
    GraphError
        If it cannot be read or converted, or its library is not installed.
    ParityError
        If the graph decides otherwise.
    DataError
        If the sample does not fit it.
    """
    kind, load = _READERS[file.suffix.lower()]
    try:
        model = load(file)
    except ImportError as error:
        raise GraphError(f"{file.name} is of {kind}, which is not installed: {error}") from error
    # Libraries raise whatever they please of a file that is none of theirs.
    except Exception as error:
        reason = (str(error).strip().splitlines() or [type(error).__name__])[0]
        raise GraphError(f"{file.name} is no model of {kind}: {reason}") from error
    names, width = names_read_by(model)
    wanted = read or names or [name for name in columns if name != label]
    absent = [name for name in wanted if name not in columns]
    if absent:
        raise DataError("data", f"has no column {', '.join(absent)}, which the model reads")
    cells: Any = {name: [number_of(cell) for cell in columns[name]] for name in wanted}
    if kind == _SKLEARN and names is not None:
        # Fitted on a table, so it is asked as it was fitted.
        import pandas

        cells = pandas.DataFrame(cells)
    sample = read_sample(cells, list(wanted), width)
    texts = [f.name for f in sample.schema.features if f.kind.is_categorical]
    if texts and kind != _SKLEARN:
        raise DataError("data", f"{', '.join(texts)} holds texts: categories of {kind} are numbers")
    return NativeModel(kind, tuple(wanted), convert(model, native(model, sample)))


def _xgboost(file: Path) -> Any:
    import xgboost

    booster = xgboost.Booster()
    booster.load_model(str(file))
    return booster


def _lightgbm(file: Path) -> Any:
    import lightgbm

    return lightgbm.Booster(model_file=str(file))


def _catboost(file: Path) -> Any:
    import catboost

    model = catboost.CatBoost()
    model.load_model(str(file))
    # The class decides which scores it gives; the file knows whether it has classes.
    is_classifier = len(getattr(model, "classes_", ())) > 0
    found = catboost.CatBoostClassifier() if is_classifier else catboost.CatBoostRegressor()
    return found.load_model(str(file))


def _skops(file: Path) -> Any:
    from skops.io import load

    # Nothing but what skops knows to run no code of the file; others are an error that names them.
    return load(file, trusted=[])


_SKLEARN = "scikit-learn (skops)"
_READERS: Mapping[str, tuple[str, Callable[[Path], Any]]] = {
    ".json": ("XGBoost", _xgboost),
    ".ubj": ("XGBoost", _xgboost),
    ".txt": ("LightGBM", _lightgbm),
    ".cbm": ("CatBoost", _catboost),
    ".skops": (_SKLEARN, _skops),
}
