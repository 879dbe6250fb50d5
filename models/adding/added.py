"""A file of a model, read with a sample of its rows: what its folder will hold."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from ifonly.models.adding.draft import SpecDraft, draft_of
from ifonly.models.adding.native_file import NativeModel
from ifonly.models.adding.questions import Asker
from ifonly.models.adding.reader import read_native
from ifonly.models.adding.source import ModelSource
from ifonly.models.adding.table import Columns


@dataclass(frozen=True, eq=False)
class AddedModel:
    """A draft of a folder, and how its file became a graph."""

    source: ModelSource
    native: NativeModel | None
    """None: the file is a graph itself."""
    draft: SpecDraft

    def files(
        self, name: str, version: str, origin: str, held_out: bool | None = None
    ) -> dict[str, bytes]:
        """By their names in a version's folder; ``held_out``: see :meth:`SpecDraft.files`."""
        parity = None if self.native is None else self.native.report.as_dict()
        return self.draft.files(name, version, origin, parity, held_out)

    @property
    def told(self) -> tuple[str, ...]:
        """Of the file; the draft has more."""
        return (*self.source.told, *(self.native.told if self.native is not None else ()))


def added(
    source: ModelSource,
    table: Columns,
    ask: Asker,
    *,
    label: str | None = None,
    read: Sequence[str] | None = None,
    trust: bool = False,
) -> AddedModel:
    """Read it; :func:`draft_of` says what ``table``, ``ask``, ``label`` and ``read`` are.

    Parameters
    ----------
    trust : bool
        Also a file that runs code as it is read.

    Raises
    ------
    ModelError
        If it cannot be served, or the sample does not fit it.
    """
    content, native = source.content, None
    if source.kind is not None:
        native = read_native(
            source.kind, source.name, content, table,
            label=label, read=read, texts=source.texts, trust=trust,
        )  # fmt: skip
        content, read = native.content, native.columns
        ask = _knowing(native.codes, ask)
    draft = draft_of(content, source.folder, table, ask, label=label, read=read)
    return AddedModel(source, native, draft)


def _knowing(codes: Mapping[str, Sequence[str]], ask: Asker) -> Asker:
    """What the file itself says of codes needs not be asked."""
    known = {f"codes:{name}": ",".join(own) for name, own in codes.items()}
    return lambda question: known.get(question.key) or ask(question)
