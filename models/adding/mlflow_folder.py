"""Folders that MLflow writes: ``MLmodel`` says which file is the model, what it reads, and where an
example of its rows is. Nothing of MLflow is imported, and no code of the folder is run."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any

from ifonly.models.adding.table import MAX_BYTES, MAX_ROWS, Columns
from ifonly.models.errors import GraphError

DESCRIPTION = "MLmodel"
MOST_DESCRIPTION = 1 << 20
DEEPEST = 16
"""Nesting of the description, which has four levels."""
_FILES = {
    "onnx": "data", "xgboost": "data", "lightgbm": "data", "catboost": "data",
    "sklearn": "pickled_model",
}  # fmt: skip
"""Flavours whose file can be read, the best first, and the key that names it."""
_TEXT = "string"
_NUMBERS = frozenset("boolean integer long float double".split())


@dataclass(frozen=True, eq=False)
class MlflowModel:
    """What the folder says of its model."""

    flavour: str
    file: str
    """Of the model, relative to the folder."""
    content: bytes
    columns: tuple[str, ...] | None
    """By its signature, in its order; None: it has none, or one without names."""
    texts: frozenset[str]
    sample: Columns | None
    """The example that was saved with it."""

    @property
    def told(self) -> str:
        named = "no names of columns" if self.columns is None else f"{len(self.columns)} columns"
        return f"MLflow: flavour {self.flavour}, {self.file}; its signature has {named}"


def read_folder(folder: Path, most_bytes: int) -> MlflowModel:
    """Raises
    ------
    GraphError
        If there is no description, it is none, or what it names is no file of the folder.
    """
    description = _description(_inside(folder, DESCRIPTION, MOST_DESCRIPTION))
    flavours = _mapping(description.get("flavors"), "flavors")
    flavour = next((name for name in _FILES if name in flavours), None)
    if flavour is None:
        raise GraphError(
            f"{DESCRIPTION} has the flavours {', '.join(map(str, flavours)) or 'none'}, and none "
            f"of {', '.join(_FILES)}, whose files can be read: log it as ONNX"
        )
    file = _text(_mapping(flavours[flavour], flavour).get(_FILES[flavour]), flavour)
    columns, texts = _signature(description.get("signature"))
    return MlflowModel(
        flavour, file, _inside(folder, file, most_bytes), columns, texts,
        _example(description.get("saved_input_example_info"), folder, columns),
    )  # fmt: skip


def _inside(folder: Path, name: str, most: int) -> bytes:
    """A file of the folder; no link, and none elsewhere."""
    place = PurePosixPath(name)
    path = folder.joinpath(*place.parts)
    if place.is_absolute() or ".." in place.parts or "\\" in name or "\0" in name or not name:
        raise GraphError(f"{DESCRIPTION} names {name!r}, which is no file of its folder")
    below = [path, *path.parents][: len(place.parts)]
    if any(part.is_symlink() for part in below):
        raise GraphError(f"{name!r} is a link: what is in the folder is a file in it")
    try:
        if not path.is_file():
            raise GraphError(f"{name!r} is no file of the folder {folder.name!r}")
        if path.stat().st_size > most:
            raise GraphError(f"{name!r} is longer than {most:,} bytes")
        return path.read_bytes()
    except OSError as error:
        raise GraphError(f"{name!r} cannot be read: {error.strerror}") from None


# --- the description ------------------------------------------------------------------------------


def _description(content: bytes) -> Mapping[str, Any]:
    try:
        import yaml
    except ImportError:
        raise GraphError(
            f"{DESCRIPTION} is YAML, which needs PyYAML: pip install 'ifonly[mlflow]'"
        ) from None
    loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
    try:
        _check_plain(yaml.parse(content, Loader=loader))
        found = yaml.load(content, Loader=loader)
    # Numbers and dates that are none raise what Python raises.
    except (yaml.YAMLError, ValueError) as error:
        raise GraphError(f"{DESCRIPTION} is no YAML: {_line(error)}") from error
    return _mapping(found, DESCRIPTION)


def _check_plain(events: Iterator[Any]) -> None:
    """No anchors, by which a few lines become gigabytes, and no depths."""
    depth = 0
    for event in events:
        kind = type(event).__name__
        depth += kind.endswith("StartEvent") - kind.endswith("EndEvent")
        if kind == "AliasEvent" or getattr(event, "anchor", None) is not None:
            raise GraphError(f"{DESCRIPTION} has anchors or aliases, which MLflow writes none of")
        if depth > DEEPEST:
            raise GraphError(f"{DESCRIPTION} is nested deeper than {DEEPEST} levels")


def _mapping(value: Any, where: str) -> Mapping[str, Any]:
    if not isinstance(value, Mapping):
        raise GraphError(f"{DESCRIPTION}: {where} is no mapping")
    return value


def _text(value: Any, where: str) -> str:
    if not isinstance(value, str):
        raise GraphError(f"{DESCRIPTION}: {where} names no file")
    return value


def _line(error: Exception) -> str:
    return " ".join(str(error).split())[:300]


# --- the signature --------------------------------------------------------------------------------


def _signature(found: Any) -> tuple[tuple[str, ...] | None, frozenset[str]]:
    """Names of columns in their order, and those of texts."""
    written = found.get("inputs") if isinstance(found, Mapping) else None
    if not isinstance(written, str):
        return None, frozenset()
    columns = _json(written.encode(), "signature.inputs")
    if not isinstance(columns, list) or not all(isinstance(c, Mapping) for c in columns):
        raise GraphError(f"{DESCRIPTION}: signature.inputs is no list of columns")
    names = [column.get("name") for column in columns]
    tensors = [c for c in columns if c.get("type") == "tensor"]
    if tensors:
        _check_tensors(tensors)
        return None, frozenset()
    if not all(isinstance(name, str) for name in names):
        return None, frozenset()
    odd = [c for c in columns if c.get("type") not in (*_NUMBERS, _TEXT)]
    if odd:
        raise GraphError(
            f"{DESCRIPTION}: column {odd[0]['name']!r} is of type {odd[0].get('type')!r}: a row is "
            f"of numbers and texts"
        )
    if len(set(names)) < len(names):
        raise GraphError(f"{DESCRIPTION}: columns of the signature have the same name")
    return tuple(names), frozenset(c["name"] for c in columns if c["type"] == _TEXT)


def _check_tensors(tensors: list[Mapping[str, Any]]) -> None:
    for tensor in tensors:
        spec = tensor.get("tensor-spec")
        shape = spec.get("shape") if isinstance(spec, Mapping) else None
        if isinstance(shape, list) and len(shape) > 2:
            raise GraphError(
                f"{DESCRIPTION}: its input has shape {shape}: images, sequences and volumes are no "
                f"rows of features"
            )


# --- the example ----------------------------------------------------------------------------------


def _example(info: Any, folder: Path, names: tuple[str, ...] | None) -> Columns | None:
    """Rows that were saved as an example; None where there are none that are a table."""
    place = info.get("artifact_path") if isinstance(info, Mapping) else None
    if not isinstance(place, str) or not place.endswith(".json"):
        return None
    found = _json(_inside(folder, place, MAX_BYTES), place)
    header: Any = names
    if isinstance(found, Mapping):
        header, found = found.get("columns"), found.get("data")
    if not isinstance(found, list) or not found or not all(isinstance(row, list) for row in found):
        return None
    width = len(found[0])
    if not isinstance(header, list | tuple):
        header = [f"x{j}" for j in range(width)]
    columns = [str(name) for name in header]
    if len(set(columns)) != width or any(len(row) != width for row in found):
        raise GraphError(f"{place!r} is no table: its rows are not of {len(columns)} cells each")
    return {name: [row[j] for row in found[:MAX_ROWS]] for j, name in enumerate(columns)}


def _json(content: bytes, where: str) -> Any:
    try:
        return json.loads(content)
    except (ValueError, RecursionError) as error:
        raise GraphError(f"{where} is no JSON: {_line(error)}") from None
