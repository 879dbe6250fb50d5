"""Forms in which rows come in and go out, and what each is called."""

from __future__ import annotations

from enum import StrEnum

OCTETS = "application/octet-stream"


class RowForm(StrEnum):
    """How rows are written."""

    JSONL = "jsonl"
    CSV = "csv"
    ARROW = "arrow"
    PARQUET = "parquet"

    @property
    def needs_pyarrow(self) -> bool:
        return self in (RowForm.ARROW, RowForm.PARQUET)


MEDIA_TYPES = {
    RowForm.JSONL: "application/jsonl",
    RowForm.CSV: "text/csv",
    RowForm.ARROW: "application/vnd.apache.arrow.stream",
    RowForm.PARQUET: "application/vnd.apache.parquet",
}
"""As replies name them."""
_FORMS = {kind: form for form, kind in MEDIA_TYPES.items()} | {
    "application/x-ndjson": RowForm.JSONL,
    "application/x-jsonlines": RowForm.JSONL,
    "application/jsonlines": RowForm.JSONL,
    "application/csv": RowForm.CSV,
    "application/x-parquet": RowForm.PARQUET,
}
INSTALL = "pip install 'ifonly[bulk]'"


def form_of(kind: str) -> RowForm | None:
    """``kind``: a media type, without parameters; None: none that is known."""
    return _FORMS.get(kind)


def can(form: RowForm) -> bool:
    """Whether this installation reads and writes it."""
    if not form.needs_pyarrow:
        return True
    try:
        import pyarrow  # noqa: F401 (an extra, and large)
    except ImportError:
        return False
    return True
