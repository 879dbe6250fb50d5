"""Rules over the whole row."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property

from ifonly.explainers.constraints.base import Constraint, Origin
from ifonly.explainers.constraints.cells import Axes, Cells, Factual, Kept
from ifonly.explainers.constraints.conditions import Condition
from ifonly.explainers.constraints.forms import Implication
from ifonly.explainers.constraints.given import Given
from ifonly.explainers.constraints.kind import ConstraintKey, ConstraintKind
from ifonly.explainers.constraints.rule_language import read_conditions
from ifonly.explainers.errors import InvalidRule
from ifonly.models.predictor import Row
from ifonly.models.schema import Schema

MAX_RULES = 50
"""Most rules of one request."""
MAX_RULE_TEXT = 2_000
"""Characters of all rules of a request: reading them takes time that no deadline cuts, up to 0.2 ms
each."""


@dataclass(frozen=True)
class Rule(Constraint):
    """If all of ``when`` then all of ``then``; with no ``when``, always ``then``."""

    text: str
    """As it was declared."""
    then: tuple[Condition, ...]
    when: tuple[Condition, ...] = ()

    @cached_property
    def form(self) -> Implication:
        return Implication(self.then, self.when)

    @property
    def columns(self) -> frozenset[int]:
        return self.form.columns

    def kept(self, cells: Cells, factual: Factual) -> Kept:
        return self.form.kept(cells, factual)

    def narrow(self, axes: Axes, factual: Row) -> Axes:
        return self.form.narrow(axes, factual)


def read_rule(text: str, schema: Schema, origin: Origin) -> Rule:
    """The constraint that ``text`` declares.

    Raises
    ------
    InvalidRule
        Naming the column and what was expected, or the feature that is not there.
    """
    when, then = read_conditions(text, schema)
    return Rule(text, then, when, origin=origin)


def _read(given: Given) -> Iterator[Rule]:
    for each in given.items():
        rule = each.with_why()
        text = str(rule.value)
        try:
            yield read_rule(text, given.context.schema, rule.origin)
        except InvalidRule as error:
            raise rule.sentence(str(error), text) from error


KIND = ConstraintKind(
    Rule,
    place=80,
    of_policy=ConstraintKey(
        "rules",
        {
            "title": "Rules",
            "description": "Hold for the whole row of every counterfactual, effects included.",
            "type": "array",
            "items": {"$ref": "#/$defs/rule"},
        },
        _read,
        defs={
            "rule": {
                "title": "Rule",
                "description": "One condition on the row, in the policy's rule language.",
                "type": "object",
                "required": ["rule"],
                "additionalProperties": False,
                "properties": {
                    "rule": {
                        "title": "Condition",
                        "description": "E.g. `process_temperature - air_temperature >= 7` or "
                        "`if tool_wear changes then tool_wear == 0`.",
                        "type": "string",
                        "minLength": 1,
                    },
                    "why": {
                        "title": "Why",
                        "description": "The reason for the rule, by language.",
                        "$ref": "#/$defs/labels",
                    },
                },
            }
        },
    ),
    of_request=ConstraintKey(
        "rules",
        {
            "type": "array",
            "items": {"type": "string", "minLength": 1, "maxLength": 1_000},
            "maxItems": MAX_RULES,
            "x-most-characters": MAX_RULE_TEXT,
            "description": "Rules for the whole row, in the policy's rule language, e.g. "
            "`process_temperature - air_temperature >= 8`; "
            f"at most {MAX_RULE_TEXT} characters together.",
        },
        _read,
        place=120,
    ),
)
