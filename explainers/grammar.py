"""The grammar of rules, and nothing of what they mean: a rule's text to its syntax tree.

What a tree means is said twice on purpose: by :mod:`ifonly.explainers.constraints.rule_language`
for the engines, and by :mod:`ifonly.explainers.verify.rules` for the checker, so that one slip
cannot be both made and missed.
"""

from __future__ import annotations

from functools import cache, lru_cache
from importlib.resources import files

from lark import Lark, Token, Tree, UnexpectedInput

from ifonly.explainers.errors import InvalidRule

MAX_LENGTH = 1_000
"""Characters: a request may bring rules, and reading one takes more than linear time."""


@lru_cache(maxsize=1024)
def parse_rule(text: str) -> Tree[Token]:
    """The syntax tree of a rule, by ``rules.lark``; the same object each time, to be read only.

    Raises
    ------
    InvalidRule
        Naming the column and what was expected.
    """
    if len(text) > MAX_LENGTH:
        raise InvalidRule(text[:40] + "...", f"is {len(text)} characters long, above {MAX_LENGTH}")
    try:
        return _parser().parse(text)
    except UnexpectedInput as error:
        raise InvalidRule(text, _explain(error, text)) from None


def has_primes(tree: Tree[Token]) -> bool:
    """Whether some name carries a prime; bare names then are the factual's."""
    return any(token.type == "PRIME" for token in tree.scan_values(_is_token))


@cache
def _parser() -> Lark:
    grammar = files("ifonly.explainers").joinpath("rules.lark").read_text(encoding="utf-8")
    return Lark(grammar, start="rule", parser="earley", ambiguity="resolve")


def _is_token(value: object) -> bool:
    return isinstance(value, Token)


def _explain(error: UnexpectedInput, text: str) -> str:
    column = error.column if error.column > 0 else len(text) + 1  # the end is column -1
    found = repr(text[column - 1]) if column <= len(text) else "the end"
    return f"cannot be read at column {column}: {found} is not expected there"
