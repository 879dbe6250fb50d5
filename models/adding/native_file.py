"""Files in which libraries keep their own models: which they are, and how each is read.

Reading is done in a process of its own (:mod:`ifonly.models.adding.reader`): parsers written for
files of friends may end it, and a pickle runs code of the file.
"""

from __future__ import annotations

import io
import re
import warnings
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from ifonly.models.adding.table import Columns, number_of
from ifonly.models.conversion import convert
from ifonly.models.errors import DataError, GraphError
from ifonly.models.native import categories_read_by, is_estimator, names_read_by, native
from ifonly.models.onnx.parity import ParityReport
from ifonly.models.sample import read_sample

PICKLED = "scikit-learn (pickle)"
"""Reading it runs code of the file."""
SKOPS = "scikit-learn (skops)"
_BY_SUFFIX = {
    ".json": "XGBoost", ".ubj": "XGBoost", ".xgb": "XGBoost", ".txt": "LightGBM",
    ".lgb": "LightGBM", ".cbm": "CatBoost", ".cb": "CatBoost", ".skops": SKOPS,
    ".pkl": PICKLED, ".pickle": PICKLED, ".joblib": PICKLED, ".sav": PICKLED, ".dill": PICKLED,
}  # fmt: skip
_HARMLESS = (
    "collections.OrderedDict", "lightgbm.basic.Booster", "lightgbm.sklearn.LGBMClassifier",
    "lightgbm.sklearn.LGBMRegressor",
)  # fmt: skip
"""Types beyond those that skops trusts, which are read from a text of the model."""
_PICKLE = re.compile(rb"\A\x80[\x02-\x05]")


@dataclass(frozen=True, eq=False)
class NativeModel:
    """What was read, as a graph."""

    kind: str
    columns: tuple[str, ...]
    """Those of the sample that it reads, in its order."""
    content: bytes
    """Of its ``model.onnx``."""
    report: ParityReport
    warned: tuple[str, ...] = ()
    """What its library said of the file."""
    codes: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    """Texts of columns that the graph takes as codes, in the order of these."""

    @property
    def told(self) -> tuple[str, ...]:
        found = self.report
        by = ", as the process measured that ran the file's code" if self.kind == PICKLED else ""
        return (
            f"{self.kind} was converted to ONNX: {found.rows:,} rows, "
            f"{found.threshold_neighbours:,} of them beside split thresholds, are decided alike, "
            f"and scored within {found.max_difference:.1g}{by}",
            *self.warned,
        )


def kind_of(suffix: str, head: bytes) -> str | None:
    """The library whose file it is by its suffix or first bytes; None: it is ONNX, or unknown."""
    return _BY_SUFFIX.get(suffix.lower()) or (PICKLED if _PICKLE.match(head) else None)


def read_here(
    kind: str,
    name: str,
    content: bytes,
    columns: Columns,
    *,
    label: str | None = None,
    read: Sequence[str] | None = None,
    texts: Collection[str] = (),
    trust: bool = False,
) -> NativeModel:
    """The model in ``content``, converted to a graph that decides alike, by this very process.

    Parameters
    ----------
    name : str
        What errors call the file.
    columns : mapping of str to list
        A sample of its rows.
    label : str, optional
        Column of ``columns`` that is no input.
    read : sequence of str, optional
        Columns that it reads, in its order; by default those whose names it knows, else all.
    texts : collection of str
        Those that hold texts, whatever they look like.
    trust : bool
        Whether code of the file may run.

    Raises
    ------
    GraphError
        If it cannot be read or converted, or its library is not installed.
    ParityError
        If the graph decides otherwise.
    DataError
        If the sample does not fit it.
    """
    model, warned = _loaded(kind, name, content, trust)
    if not is_estimator(model):
        raise GraphError(f"{name} holds a {type(model).__name__}, which is no fitted estimator")
    names, width = names_read_by(model)
    wanted = read or names or [name for name in columns if name != label]
    absent = [name for name in wanted if name not in columns]
    if absent:
        raise DataError("data", f"has no column {', '.join(absent)}, which the model reads")
    known = _categories(model, {each: columns[each] for each in wanted})
    cells: Any = {each: _cells(columns[each], each in texts or each in known) for each in wanted}
    takes_texts = kind in (SKOPS, PICKLED)
    if known or (takes_texts and names is not None):
        # Fitted on a table, so it is asked as it was fitted.
        import pandas

        for each, categories in known.items():
            cells[each] = pandas.Categorical(cells[each], categories=categories)
        cells = pandas.DataFrame(cells)
    sample = read_sample(cells, list(wanted), width)
    unknown = [f.name for f in sample.schema.features if f.kind.is_categorical]
    unknown = [each for each in unknown if each not in known]
    if unknown and not takes_texts:
        raise DataError(
            "data",
            f"{', '.join(unknown)} holds texts, and {name} does not say which code each has: "
            f"categories of {kind} are numbers",
        )
    made = convert(model, native(model, sample))
    return NativeModel(kind, tuple(wanted), made.content, made.report, warned, known)


def _categories(model: Any, columns: Columns) -> dict[str, tuple[str, ...]]:
    """Those of the columns that the model reads as texts, in the order of its codes.

    Raises
    ------
    DataError
        If a cell is none of them, or they are numbers, which a graph would take for codes.
    """
    found = {name: own for name, own in categories_read_by(model).items() if name in columns}
    for name, categories in list(found.items()):
        told = ", ".join(map(str, categories))
        cells = [cell for cell in columns[name] if cell is not None]
        are_texts = any(isinstance(number_of(cell), str) for cell in cells)
        if not are_texts or not all(isinstance(each, str) for each in categories):
            raise DataError(
                name,
                f"is read as categories that are called {told}, and a folder takes numbers for "
                f"numbers: train with texts, or ask it by ifonly.explain(model, row, data)",
            )
        strange = set(map(str, cells)) - set(categories)
        if strange and not told.isascii():
            del found[name]  # XGBoost cuts names in other alphabets
        elif strange:
            odd = ", ".join(sorted(strange))
            raise DataError(name, f"holds {odd}; the model was trained on {told}")
    return found


def _cells(column: Sequence[Any], are_texts: bool) -> list[Any]:
    if not are_texts:
        return [number_of(cell) for cell in column]
    return [None if cell is None else str(cell) for cell in column]


def _loaded(kind: str, name: str, content: bytes, trust: bool) -> tuple[Any, tuple[str, ...]]:
    with warnings.catch_warnings(record=True) as heard:
        warnings.simplefilter("always")
        try:
            model = (_trusting if trust and kind == SKOPS else _READERS[kind])(content)
        except ImportError as error:
            raise GraphError(
                f"{name} is of {kind} and needs what is not installed: {error}"
            ) from error
        except MemoryError:
            raise
        # Libraries raise whatever they please of a file that is none of theirs.
        except Exception as error:
            reason = (str(error).strip().splitlines() or [""])[0]
            said = f"{type(error).__name__}: {reason}{_walled(error)}"
            raise GraphError(f"{name} is no model of {kind}: {said}") from error
    # A model of another version of its library may be read wrongly, and say so here alone.
    named = [w for w in heard if type(w.message).__name__ == "InconsistentVersionWarning"]
    return model, tuple(dict.fromkeys(str(w.message).split(". ")[0] for w in named))


def _walled(error: Exception) -> str:
    if not isinstance(error, PermissionError):
        return ""
    return " (it may reach no network, start no process, write nowhere: a model needs none of it)"


def _xgboost(content: bytes) -> Any:
    import xgboost

    booster = xgboost.Booster()
    booster.load_model(bytearray(content))
    return booster


def _lightgbm(content: bytes) -> Any:
    import lightgbm

    return lightgbm.Booster(model_str=content.decode())


def _catboost(content: bytes) -> Any:
    import catboost

    model = catboost.CatBoost()
    model.load_model(blob=content)
    # The class decides which scores it gives; the file knows whether it has classes.
    is_classifier = len(getattr(model, "classes_", ())) > 0
    found = catboost.CatBoostClassifier() if is_classifier else catboost.CatBoostRegressor()
    return found.load_model(blob=content)


def _skops(content: bytes) -> Any:
    from skops.io import loads

    # Nothing but what is known to run no code of the file; others are an error that names them.
    return loads(content, trusted=list(_HARMLESS))


def _trusting(content: bytes) -> Any:
    from skops.io import get_untrusted_types, loads

    return loads(content, trusted=get_untrusted_types(data=content))


def _pickled(content: bytes) -> Any:
    import joblib

    # Reads what `pickle` writes as well, and what is compressed.
    return joblib.load(io.BytesIO(content))


_READERS: Mapping[str, Callable[[bytes], Any]] = {
    "XGBoost": _xgboost,
    "LightGBM": _lightgbm,
    "CatBoost": _catboost,
    SKOPS: _skops,
    PICKLED: _pickled,
}
