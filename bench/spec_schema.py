"""The JSON Schema of ``spec.toml`` with what each kind of constraint says of its own keys.

    python -m bench.spec_schema [--check]

The rest of the file is written by hand, and stays as it is.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

from bench.generated import main
from ifonly import models
from ifonly.explainers.constraints.registry import complete

SCHEMA = Path(models.__file__).parent / "spec.schema.json"


def written(text: str) -> str:
    """The file as it should be."""
    return json.dumps(complete(json.loads(text)), indent=2, ensure_ascii=False) + "\n"


if __name__ == "__main__":
    sys.exit(main("spec_schema", SCHEMA, written))
