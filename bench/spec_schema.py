"""The JSON Schema of ``spec.toml`` with what each kind of constraint says of its own keys.

    python -m bench.spec_schema [--check]

The rest of the file is written by hand, and stays as it is.
"""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path

from ifonly import models
from ifonly.explainers.constraints.registry import complete

SCHEMA = Path(models.__file__).parent / "spec.schema.json"


def written(text: str) -> str:
    """The file as it should be."""
    return json.dumps(complete(json.loads(text)), indent=2, ensure_ascii=False) + "\n"


def main() -> int:
    """Write the file, or say that it is another."""
    parser = argparse.ArgumentParser(prog="python -m bench.spec_schema")
    parser.add_argument("--check", action="store_true", help="write nothing, fail if it differs")
    check, text = parser.parse_args().check, SCHEMA.read_text(encoding="utf-8")
    wanted = written(text)
    if check:
        return int(text != wanted)
    SCHEMA.write_text(wanted, encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
