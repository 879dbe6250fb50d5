"""The table of kinds of record in ``docs/audit.md``, from what ``service/store/kinds.py`` says.

python -m bench.record_kinds [--check]
"""

from __future__ import annotations

import argparse
import re
from pathlib import Path

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


def main() -> None:
    """Write the page, or say that it is another."""
    parser = argparse.ArgumentParser(prog="python -m bench.record_kinds")
    parser.add_argument("--check", action="store_true", help="write nothing, fail if it differs")
    check, old = parser.parse_args().check, PAGE.read_text(encoding="utf-8")
    new = page(old)
    if check:
        raise SystemExit(old != new)
    PAGE.write_text(new, encoding="utf-8")


if __name__ == "__main__":
    main()
