"""The table of kinds of record in ``docs/audit.md``, from what ``service/store/kinds.py`` says.

python -m bench.record_kinds [--check]
"""

from __future__ import annotations

import re
import sys
from pathlib import Path

from bench.generated import main
from ifonly.service.store.kinds import KINDS

PAGE = Path(__file__).resolve().parents[1] / "docs" / "audit.md"
TABLE = re.compile(r"<!-- kinds -->\n.*?<!-- end -->\n", re.DOTALL)


def page(text: str) -> str:
    """The page with its table as the kinds are now."""
    head = ["| kind | tells of | status |", "|---|---|---|"]
    rows = [
        f"| `{kind}` | {each.tells} | {', '.join(f'`{status}`' for status in each.statuses)} |"
        for kind, each in KINDS.items()
    ]
    table = "\n".join(["<!-- kinds -->", *head, *rows, "<!-- end -->\n"])
    return TABLE.sub(lambda _: table, text)


if __name__ == "__main__":
    sys.exit(main("record_kinds", PAGE, page))
