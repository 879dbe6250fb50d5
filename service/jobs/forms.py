"""Forms in which rows come in and go out, and what each is called."""

from __future__ import annotations

from enum import StrEnum

OCTETS = "application/octet-stream"


class TableForm(StrEnum):
    """How rows are written."""

    JSONL = "jsonl"
    CSV = "csv"
    ARROW = "arrow"
    PARQUET = "parquet"

    @property
    def needs_pyarrow(self) -> bool:
        return self in (TableForm.ARROW, TableForm.PARQUET)


MEDIA_TYPES = {
    TableForm.JSONL: "application/jsonl",
    TableForm.CSV: "text/csv",
    TableForm.ARROW: "application/vnd.apache.arrow.stream",
    TableForm.PARQUET: "application/vnd.apache.parquet",
}
"""As replies name them."""
_FORMS = {kind: form for form, kind in MEDIA_TYPES.items()} | {
    "application/x-ndjson": TableForm.JSONL,
    "application/x-jsonlines": TableForm.JSONL,
    "application/jsonlines": TableForm.JSONL,
    "application/csv": TableForm.CSV,
    "application/x-parquet": TableForm.PARQUET,
}
INSTALL = "pip install 'ifonly[bulk]'"


def form_of(kind: str) -> TableForm | None:
    """``kind``: a media type, without parameters; None: none that is known."""
    return _FORMS.get(kind)


def can(form: TableForm) -> bool:
    """Whether this installation reads and writes it."""
    if not form.needs_pyarrow:
        return True
    try:
        import pyarrow  # noqa: F401 (an extra, and large)
    except ImportError:
        return False
    return True
