"""Forms in which rows come in and go out, and what each is called."""

from __future__ import annotations

from enum import StrEnum

OCTETS = "application/octet-stream"


class Form(StrEnum):
    """How rows are written."""

    JSONL = "jsonl"
    CSV = "csv"
    ARROW = "arrow"
    PARQUET = "parquet"

    @property
    def needs_pyarrow(self) -> bool:
        return self in (Form.ARROW, Form.PARQUET)


MEDIA_TYPES = {
    Form.JSONL: "application/jsonl",
    Form.CSV: "text/csv",
    Form.ARROW: "application/vnd.apache.arrow.stream",
    Form.PARQUET: "application/vnd.apache.parquet",
}
"""As replies name them."""
_FORMS = {kind: form for form, kind in MEDIA_TYPES.items()} | {
    "application/x-ndjson": Form.JSONL,
    "application/x-jsonlines": Form.JSONL,
    "application/jsonlines": Form.JSONL,
    "application/csv": Form.CSV,
    "application/x-parquet": Form.PARQUET,
}
INSTALL = "pip install 'ifonly[bulk]'"


def form_of(kind: str) -> Form | None:
    """``kind``: a media type, without parameters; None: none that is known."""
    return _FORMS.get(kind)


def can(form: Form) -> bool:
    """Whether this installation reads and writes it."""
    if not form.needs_pyarrow:
        return True
    try:
        import pyarrow  # noqa: F401 (an extra, and large)
    except ImportError:
        return False
    return True
