"""What a person points at as a model: a file, or a folder of MLflow's."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from ifonly.models.adding import mlflow_folder
from ifonly.models.adding.native_file import kind_of
from ifonly.models.adding.table import Columns
from ifonly.models.errors import GraphError
from ifonly.models.onnx.reading import LFS_POINTER

MOST_BYTES = 1 << 30
_TORCH = "PyTorch's, which runs code of the file when it is read: give torch.onnx.export's"
_KERAS = "Keras', which needs the code that wrote it: give what model.export writes as ONNX"
_ARCHIVE = "an archive: unpack it, and give the model in it"
_ZIP = b"PK\x03\x04"
_NO_GRAPH = {
    ".pt": _TORCH, ".pth": _TORCH, ".h5": _KERAS, ".keras": _KERAS,
    ".zip": _ARCHIVE, ".gz": _ARCHIVE, ".tar": _ARCHIVE, ".tgz": _ARCHIVE,
}  # fmt: skip
"""Files that hold no model by themselves, and the way out."""


@dataclass(frozen=True, eq=False)
class ModelSource:
    """A model as it is given, unread."""

    name: str
    """What errors call it, and a folder would be called."""
    content: bytes
    folder: Path
    """Where tensors lie that an ONNX file keeps beside itself."""
    kind: str | None
    """The library whose file it is; None: it is ONNX."""
    read: tuple[str, ...] | None = None
    """Columns that it reads, in its order, where its signature says so."""
    texts: frozenset[str] = frozenset()
    """Those that hold texts, whatever they look like."""
    sample: Columns | None = None
    """Rows that came with it."""
    told: tuple[str, ...] = ()


def source_of(path: Path) -> ModelSource:
    """Raises
    ------
    GraphError
        If it is no model by itself, longer than :data:`MOST_BYTES`, or cannot be read.
    """
    folder = path.parent if path.name == mlflow_folder.DESCRIPTION else path
    if folder.is_dir():
        found = mlflow_folder.read_folder(folder, MOST_BYTES)
        kind = _kind(found.file, Path(found.file).suffix, found.content)
        return ModelSource(
            folder.resolve().name, found.content, (folder / found.file).parent,
            None if found.flavour == "onnx" else kind,
            found.columns, found.texts, found.sample, (found.told,),
        )  # fmt: skip
    foreign = _NO_GRAPH.get(path.suffix.lower())
    if foreign is not None:
        raise GraphError(f"{path.name} is {foreign}")
    try:
        if path.stat().st_size > MOST_BYTES:
            raise GraphError(f"{path.name} is longer than {MOST_BYTES:,} bytes")
        content = path.read_bytes()
    except OSError as error:
        raise GraphError(f"{path} cannot be read: {error.strerror}") from None
    kind = _kind(path.name, path.suffix, content)
    return ModelSource(path.name, content, path.resolve().parent, kind)


def _kind(name: str, suffix: str, content: bytes) -> str | None:
    if content.startswith(LFS_POINTER):
        raise GraphError(
            f"{name} is a Git LFS pointer, not a model: run `git lfs pull` to fetch the model"
        )
    kind = kind_of(suffix, content[:2])
    if kind is None and content.startswith(_ZIP):
        raise GraphError(f"{name} is {_ARCHIVE}")
    return kind
