"""Every sentence by which a question or a page is refused has its like in each language."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from itertools import chain
from pathlib import Path

import pytest

from ifonly.explainers.wording import LANGUAGES
from ifonly.service.ask.problem_types import PROBLEM_TYPES
from ifonly.service.words.catalogue import is_said
from ifonly.service.words.reasons import told

ROOT = Path(__file__).parents[3]
SHOWN = (
    "models/schema.py", "models/quality", "models/adding/draft.py", "models/adding/table.py",
    "service/access.py", "service/ask", "service/audit", "service/doors/http",
    "service/doors/pages", "service/served/drafting.py", "service/served/drafting_worker.py",
    "service/served/staging.py",
)  # fmt: skip
"""Where what pages show, and questions of the API are refused by, is said. Not: other protocols'
doors, whose clients are programs, and what is said to whoever runs the service."""
OPERATED = ("cosigning.py", "trust_root.py", "oidc.py", "log.py", "bundle.py", "confirm.py")
CALLS = {"Fault": 1, "FieldProblem": 1, "_invalid": 1, "SpecError": 2, "DataError": 1}
"""Which argument of them is a sentence."""
RAISED = ("Forbidden", "CannotReplay", "CannotUpload", "CannotActivate", "Unauthenticated")
ENGLISH = {
    "{} is {}, which could be a code or a name: its categories ({}) are numbers, and are sent as "
    "text",
    "question is no JSON object without instance",
    "question is not JSON: {}",
    "form is full, which there is of lines of JSON alone, not of {}",
    "has shape {}, a row ({},): {}",
    "has shape {}, rows (n, {}): {}",
    "the issuer's word cannot be trusted",
    "the issuer calls itself something else",
    "{} is no query parameter here; {}",
}
"""Said to programs, or of an issuer to whoever set it up; the last has two endings, both known."""


def sentences() -> Iterator[tuple[str, str]]:
    files = chain.from_iterable(
        [ROOT / part] if part.endswith(".py") else sorted((ROOT / part).rglob("*.py"))
        for part in SHOWN
    )
    for file in files:
        if file.name in OPERATED:
            continue
        for call in ast.walk(ast.parse(file.read_text("utf-8"))):
            if not isinstance(call, ast.Call):
                continue
            name = getattr(call.func, "id", getattr(call.func, "attr", ""))
            place = 0 if name in RAISED else CALLS.get(name)
            if place is not None and len(call.args) > place:
                for said in written(call.args[place]):
                    yield said, f"{file.relative_to(ROOT)}:{call.lineno}"


def written(node: ast.expr) -> list[str]:
    """The sentences that an expression may be, with ``{}`` for what is not known."""
    match node:
        case ast.Constant(value=str(text)):
            return [text]
        case ast.IfExp(body=one, orelse=other):
            return written(one) + written(other)
        case ast.JoinedStr(values=parts):
            found = [""]
            for part in parts:
                ends = [str(part.value)] if isinstance(part, ast.Constant) else ["{}"]
                found = [f"{said}{end}" for said in found for end in ends]
            return found
    return []


def test_every_sentence_is_said_in_each_language() -> None:
    found = dict(sentences())
    assert len(found) > 60, "they are found"
    # One that begins with what differs names a field or a place.
    left = {
        said: where
        for said, where in found.items()
        if said not in ENGLISH and said.count("{}") < len(said.split())
        for tag in LANGUAGES
        if tag != "en" and told(said.replace("{}", "Q1"), tag)[1] != tag
    }
    assert left == {}


@pytest.mark.parametrize("tag", LANGUAGES)
def test_every_kind_of_refusal_has_a_title(tag: str) -> None:
    absent = [
        kind.slug for kind in PROBLEM_TYPES
        if not is_said(f"problem.{kind.slug}", tag)  # type: ignore[arg-type]
    ]  # fmt: skip
    assert absent == []


def test_several_sentences_are_said_one_by_one() -> None:
    said, tag = told("torque is missing; a/1/spec.toml: name: is missing x, y", "ko")
    assert tag == "ko"
    assert said.startswith("torque: 값이 없습니다; a/1/spec.toml: name: ")
    assert told("torque is missing; Segmentation fault", "ko")[1] == "en"
