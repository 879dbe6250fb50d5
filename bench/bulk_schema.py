"""``docs/bulk-schema.json``: what goes in and comes out of a table of the shipped model's rows.

    python -m bench.bulk_schema [--check]

All that may be asked for is in it: an id, alternatives, named ways, every language.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

from bench.generated import main
from ifonly.explainers.languages import LANGUAGES
from ifonly.service.bulk import BulkExplainer, BulkOptions
from ifonly.service.settings import shipped_models

FILE = Path(__file__).resolve().parents[1] / "docs" / "bulk-schema.json"
ALL = BulkOptions(
    id="part", semantics="independent", alternatives=2, ways=True, languages=tuple(LANGUAGES)
)


def written(_: str = "") -> str:
    """The file as it should be."""
    explain = BulkExplainer.load(shipped_models() / "milling-machine" / "1", ALL)
    return json.dumps(explain.document, indent=1, ensure_ascii=False) + "\n"


if __name__ == "__main__":
    sys.exit(main("bulk_schema", FILE, written))
