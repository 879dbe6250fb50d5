"""Files that ``causal.toml`` names, each held against the digest that it gives of it."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from typing import Any


def named_file(table: Mapping[str, Any], files: Mapping[str, bytes]) -> bytes:
    data = files.get(table["file"])
    if data is None:
        raise ValueError(f"{table['file']} is missing")
    digest = hashlib.sha256(data).hexdigest()
    # Named by its digest, so that a file that was changed does not pass for the old one.
    if digest != table["sha256"]:
        raise ValueError(f"{table['file']} has sha256 {digest}, not {table['sha256']}")
    return data
