"""What a TOML text would cost, counted before it is parsed.

``tomllib`` takes time that grows with the square of a dotted key's parts, and what checks a
document afterwards looks at every value. One pass over the tokens, in time that grows with the
text, says whether either could matter. In a text that is TOML the tokens are those of TOML; in
any other, up to where ``tomllib`` would stop: a text that does not end goes to the end.
"""

from __future__ import annotations

import re

MAX_BYTES = 2 << 20
MAX_VALUES = 100_000
"""Keys and items of arrays: the widest model has 4,096 features of a dozen keys."""
MAX_TABLES = 20_000
MAX_PARTS = 16
"""Most parts of a dotted key."""
MAX_DEPTH = 32
"""Most arrays and inline tables in each other."""

_TOKEN = re.compile(
    r'''
    (?P<skip> [ \t]+ | \#[^\n]* )
  | (?P<name> """(?:[^"\\]|\\.|"(?!""))*+(?:"{3,5})? | \'\'\'(?:[^']|'(?!''))*+(?:'{3,5})?
            | "(?:[^"\\\n]|\\.)*+"? | '[^'\n]*+'? | [\w+:-]++ )
  | (?P<dot> \. ) | (?P<value> [=,] ) | (?P<open> [\[{] ) | (?P<close> [\]}] )
  | (?P<end> \n ) | (?P<other> . )
    ''',
    re.VERBOSE | re.DOTALL,
)


def problem_of(text: str) -> str | None:
    """Why ``text`` is not parsed at all; None if it may be."""
    # Characters are at most as many as bytes.
    if len(text) > MAX_BYTES:
        return f"is longer than {MAX_BYTES:,} bytes"
    values = tables = parts = depth = 0
    begins = True
    for token in _TOKEN.finditer(text):
        kind = token.lastgroup
        if kind == "skip":
            continue
        # Dots count within one key: a name goes on with it, anything else begins anew.
        parts = parts + 1 if kind == "dot" else parts if kind == "name" else 0
        values += kind == "value"
        # A bracket at the beginning of a line is a table's header, elsewhere an array.
        tables += begins and token[0] == "["
        depth += (kind == "open") - (kind == "close")
        begins = kind == "end"
        if parts >= MAX_PARTS:
            return f"has a key of more than {MAX_PARTS} parts"
        if depth > MAX_DEPTH:
            return f"is nested deeper than {MAX_DEPTH} levels"
        if values > MAX_VALUES or tables > MAX_TABLES:
            return f"has more than {MAX_VALUES:,} values or {MAX_TABLES:,} tables"
    return None
