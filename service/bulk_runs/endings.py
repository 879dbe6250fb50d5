"""How files of rows and of answers are named."""

from __future__ import annotations

from collections.abc import Mapping

FILE_ENDS: Mapping[str, str] = {
    ".parquet": "parquet",
    ".pq": "parquet",
    ".arrow": "arrow",
    ".ipc": "arrow",
    ".feather": "arrow",
    ".csv": "csv",
    ".jsonl": "jsonl",
    ".ndjson": "jsonl",
}
"""By the end of a name, how such a file is kept, read and written."""
READ_ENDS: Mapping[str, str] = {**FILE_ENDS, ".arrows": "arrow", ".tsv": "csv"}
"""Ends that are read, too."""
