"""A staged version as a form: fields by feature, what was guessed of them, and what is wrong."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from starlette.datastructures import FormData

from ifonly.explainers.wording import Language
from ifonly.models.adding.fields import SpecField
from ifonly.models.schema import Schema
from ifonly.service.errors import Fault
from ifonly.service.served.drafting import ANSWERS
from ifonly.service.served.staging import VALUES, StagedVersion
from ifonly.service.served.staging_candidates import Edit
from ifonly.service.words.catalogue import say
from ifonly.service.words.reasons import reason

ANSWER = "answer:"
"""Before the key of a question, as a name of an input."""
CHECKED = "checked"
_NUMBER = re.compile(r"[+-]?\d{1,30}(\.\d{1,30})?([eE][+-]?\d{1,3})?")
_OPEN = ("inf", "-inf")
"""Ends of what has none."""
_PAIRS = ("bounds", "range")
_NUMBERS = ("resolution", "threshold")


@dataclass(frozen=True, slots=True)
class FormField:
    """One value, as it is asked for."""

    key: str
    name: str
    kind: str
    """``text``, ``number``, ``pair``, ``truth``, ``choice`` or ``shown``."""
    values: tuple[str, ...]
    choices: tuple[str, ...]
    guess: str
    """Why it was guessed; empty: it was not, or is checked."""
    guess_tag: Language
    is_ticked: bool
    problems: tuple[tuple[str, Language], ...]


@dataclass(frozen=True, slots=True)
class FormGroup:
    """Fields of one feature; of none: those of the model."""

    feature: str
    fields: tuple[FormField, ...]
    guesses: int


@dataclass(frozen=True, slots=True)
class QuestionView:
    """A question with the answer that was taken."""

    key: str
    text: str
    choices: tuple[str, ...]
    answer: str
    is_guess: bool
    is_ticked: bool
    text_tag: Language
    problems: tuple[tuple[str, Language], ...]


@dataclass(frozen=True, slots=True)
class StagedForm:
    groups: tuple[FormGroup, ...]
    questions: tuple[QuestionView, ...]
    others: tuple[Fault, ...]
    """What is wrong, and with no field of the form."""


def form_of(
    staged: StagedVersion,
    schema: Schema,
    tag: Language,
    given: FormData | None = None,
    faults: Sequence[Fault] = (),
) -> StagedForm:
    """``given``: as somebody has filled it in, where that was refused for ``faults``."""
    fields, questions = staged.fields, staged.about.get("questions", ())
    known = {(VALUES, f.key) for f in fields} | {(ANSWERS, q["key"]) for q in questions}
    classes = next((f.choices for f in fields if f.path == ("decision", "desired")), ())
    groups: dict[str, list[FormField]] = {"": []}
    for each in fields:
        of = each.feature
        name = schema.names[of] if isinstance(of, int) else of or ""
        groups.setdefault(name, []).append(
            _field(each, _name(each, classes, tag), tag, given, faults)
        )
    return StagedForm(
        tuple(
            FormGroup(name, tuple(found), sum(bool(f.guess) for f in found))
            for name, found in groups.items()
        ),
        tuple(_question(q, tag, given, faults) for q in questions),
        tuple(fault for fault in faults if fault.path[:2] not in known),
    )


def _field(
    each: SpecField, name: str, tag: Language, given: FormData | None, faults: Sequence[Fault]
) -> FormField:
    kind = _kind(each)
    values = _texts(each.value, kind)
    if given is not None and each.key in given:
        values = tuple(map(str, given.getlist(each.key)))
    guess, guess_tag = reason(each.guess, tag) if each.guess is not None else ("", tag)
    return FormField(
        each.key,
        name,
        kind,
        values,
        each.choices,
        guess or ("?" if each.guess is not None else ""),
        guess_tag,
        given is not None and each.key in given.getlist(CHECKED),
        _problems((VALUES, each.key), tag, faults),
    )


def _question(
    said: Mapping[str, Any], tag: Language, given: FormData | None, faults: Sequence[Fault]
) -> QuestionView:
    key, name = said["key"], f"{ANSWER}{said['key']}"
    text, text_tag = reason(said["text"], tag)
    return QuestionView(
        key,
        text,
        tuple(said["choices"]),
        str(given[name]) if given is not None and name in given else said["answer"],
        said["is_guess"],
        given is not None and name in given.getlist(CHECKED),
        text_tag,
        _problems((ANSWERS, key), tag, faults),
    )


def _problems(
    path: tuple[str, str], tag: Language, faults: Sequence[Fault]
) -> tuple[tuple[str, Language], ...]:
    return tuple(reason(fault.problem, tag) for fault in faults if fault.path[:2] == path)


def _kind(each: SpecField) -> str:
    last = each.path[-1]
    if each.is_shown_only:
        return "shown"
    if each.choices:
        return "choice"
    if last == "actionable":
        return "truth"
    return "pair" if last in _PAIRS else "number" if last in _NUMBERS else "text"


def _texts(value: Any, kind: str) -> tuple[str, ...]:
    if kind == "pair":
        return tuple(map(_text, value)) if isinstance(value, list) else ("", "")
    if kind == "shown" and isinstance(value, list):
        return (", ".join(map(_text, value)),)
    return (_text(value),)


def _text(value: Any) -> str:
    if value is None:
        return ""
    if isinstance(value, Decimal) and value.is_infinite():
        return _OPEN[value < 0]
    return str(value).lower() if isinstance(value, bool) else str(value)


def _name(each: SpecField, classes: Sequence[str], tag: Language) -> str:
    match each.path:
        case ("title", language):
            return say("staged.title_in", tag, spoken=_language(language))
        case ("decision", "classes", int(k), "label", language):
            return say("staged.class_in", tag, name=classes[k], spoken=_language(language))
        case ("features", _, "label", language):
            return say("staged.label_in", tag, spoken=_language(language))
        case (*_, "unit" | "bounds" | "resolution" | "actionable" | "range" as last):
            return say(f"staged.{last}", tag)
        case ("decision", "positive" | "desired" | "threshold" as last):
            return say(f"steward.{last}", tag)
        case _:
            return each.key


def _language(tag: Any) -> str:
    """What a language calls itself."""
    return say("language.name", tag)


# --- what was filled in ---------------------------------------------------------------------------


def edit_of(staged: StagedVersion, given: FormData) -> Edit:
    """What somebody has changed or ticked; what is no number stays a text, and is told as one."""
    values = {
        each.key: value
        for each in staged.fields
        if each.key in given
        for value in [_read(each, [str(text).strip() for text in given.getlist(each.key)])]
        if value != each.value
    }
    ticked = {str(key) for key in given.getlist(CHECKED)}
    answers = dict(_answers(staged, given, ticked))
    known = {each.key for each in staged.fields}
    return Edit(values, sorted(ticked & known), answers)


def _answers(
    staged: StagedVersion, given: FormData, ticked: Collection[str]
) -> Iterator[tuple[str, str]]:
    for question in staged.about.get("questions", ()):
        name = f"{ANSWER}{question['key']}"
        answer = str(given.get(name, question["answer"])).strip()
        if answer != question["answer"] or (question["is_guess"] and name in ticked):
            yield question["key"], answer


def _read(each: SpecField, texts: Sequence[str]) -> Any:
    match _kind(each):
        case "truth":
            return {"true": True, "false": False}.get(texts[0], texts[0])
        case "pair":
            return None if not any(texts) else [_number(text) for text in texts]
        case "number":
            return _number(texts[0]) if texts[0] else None
        case _:
            return texts[0] or None


def _number(text: str) -> Any:
    if text.lower() in _OPEN:
        return Decimal(text)
    if not _NUMBER.fullmatch(text):
        return text
    return int(text) if text.lstrip("+-").isdecimal() else Decimal(text)
