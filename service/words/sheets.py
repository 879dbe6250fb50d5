"""The sheet for whoever a decision is about, in words: one content for its page and its file.

Result, main elements, what would have led to another decision, role of the system, whom to ask:
what Art. 86 of Regulation (EU) 2024/1689, 12 CFR 1002.9 and Korea's AI Basic Act ask to be told,
as far as the model's folder says it. What it does not say is said to be missing.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from ifonly.explainers.wording import Language
from ifonly.explainers.wording.conventions import conventions
from ifonly.explainers.wording.numerals import exactly, percentage
from ifonly.models.errors import InvalidInstance
from ifonly.models.schema import Labels
from ifonly.models.spec.card import ModelCard, said
from ifonly.service.served.registry import ServedModel
from ifonly.service.words.catalogue import say
from ifonly.service.words.labels import label, label_or

Answer = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class SheetSection:
    """One part of the sheet, under its title."""

    key: str
    title: str
    paragraphs: tuple[str, ...] = ()
    ranked: tuple[str, ...] = ()
    """A list that is numbered."""
    pairs: tuple[tuple[str, str], ...] = ()
    note: str = ""


@dataclass(frozen=True, slots=True)
class PersonSheet:
    """All of it, in one language."""

    title: str
    model: str
    lead: str
    sections: tuple[SheetSection, ...]
    record: str
    """What it is a copy of."""


def sheet(
    answer: Answer,
    explanation: Answer | None,
    instance: Mapping[str, Any],
    model: ServedModel | None,
    when: str,
    tag: Language,
) -> PersonSheet:
    """The sheet of recorded reasons.

    Parameters
    ----------
    answer, explanation
        As they were recorded; no explanation: none was asked for.
    instance
        The row, as it was asked about.
    model
        Which answered; None: it is not served any more, and its folder says nothing.
    when : str
        The time of the record.
    """
    provenance = answer["provenance"]
    name = provenance["model"]
    card = ModelCard() if model is None else model.deployed.spec.card
    title = name if model is None else label_or(model.deployed.spec.title, tag, name)
    sections = (
        _result(answer, when, tag),
        _elements(answer, tag),
        _recourse(explanation, tag),
        _role(card, tag),
        _contact(card, tag),
        _about(card, provenance, tag),
        _readings(instance, model, tag),
    )
    record = say("sheet.record", tag, id=answer["id"], digest=provenance["model_sha256"])
    return PersonSheet(say("sheet.title", tag), title, say("sheet.lead", tag), sections, record)


def _result(answer: Answer, when: str, tag: Language) -> SheetSection:
    prediction = answer["prediction"]
    decided = label_or(prediction.get("label") or {}, tag, prediction.get("class") or "")
    pairs = [(say("sheet.decision", tag), decided)]
    if prediction.get("probability") is not None:
        pairs.append((say("sheet.probability", tag), percentage(prediction["probability"])))
    if prediction.get("score") is not None:
        score = conventions(tag).behind(exactly(prediction["score"]), prediction.get("unit") or "")
        pairs.append((say("sheet.score", tag), score))
    pairs.append((say("sheet.when", tag), when))
    return SheetSection("result", say("sheet.result", tag), pairs=tuple(pairs))


def _elements(answer: Answer, tag: Language) -> SheetSection:
    first = (answer["reasons"] or [answer])[0]
    return SheetSection(
        "elements",
        say("sheet.elements", tag),
        paragraphs=(text_in(first["text"], tag),),
        ranked=tuple(_reason(each, tag) for each in answer["principal"]),
        note=say("sheet.elements_note", tag) if answer["reasons"] else "",
    )


def _reason(each: Mapping[str, Any], tag: Language) -> str:
    code = each.get("code")
    if code is None:
        return text_in(each["text"], tag)
    value = each["value"]
    read = conventions(tag).missing if value is None else value
    shown = exactly(read) if isinstance(read, int | float) else str(read)
    name = label_or(each["label"], tag, each["feature"])
    reading = f"{name} {conventions(tag).behind(shown, each['unit'])}"
    told = said(code["text"], tag)
    return say("sheet.coded", tag, code=code["code"], text=told, reading=reading)


def _recourse(explanation: Answer | None, tag: Language) -> SheetSection:
    told = say("sheet.no_recourse_asked", tag)
    if explanation is not None:
        told = text_in(explanation["text"], tag)
    return SheetSection("recourse", say("sheet.recourse", tag), paragraphs=(told,))


def _role(card: ModelCard, tag: Language) -> SheetSection:
    told = "sheet.role_unknown" if card.role is None else f"system_role.{card.role.value}"
    return SheetSection("role", say("sheet.role", tag), paragraphs=(say(told, tag),))


def _contact(card: ModelCard, tag: Language) -> SheetSection:
    pairs = tuple(_card_texts(card, tag, ("contact", "appeal", "owner")))
    missing = () if pairs else (say("sheet.contact_unknown", tag),)
    return SheetSection("contact", say("sheet.contact_title", tag), paragraphs=missing, pairs=pairs)


def _about(card: ModelCard, provenance: Mapping[str, Any], tag: Language) -> SheetSection:
    version = f"{provenance['model']} {provenance['version']}"
    told = tuple(_card_texts(card, tag, ("intended_use", "limitations", "training_data", "tier")))
    pairs = ((say("sheet.version", tag), version), *told)
    if card.validated is not None:
        pairs = (*pairs, (say("card.validated", tag), card.validated.isoformat()))
    return SheetSection("about", say("sheet.about", tag), pairs=pairs)


def _card_texts(card: ModelCard, tag: Language, keys: tuple[str, ...]) -> Iterator[tuple[str, str]]:
    for key in keys:
        if key in card.texts:
            yield say(f"card.{key}", tag), said(card.texts[key], tag)


def _readings(
    instance: Mapping[str, Any], model: ServedModel | None, tag: Language
) -> SheetSection:
    pairs = []
    if model is None:
        pairs = [(name, str(value)) for name, value in instance.items()]
    else:
        for column, feature in enumerate(model.schema.features):
            try:
                value = feature.read(instance.get(feature.name))
            except InvalidInstance:  # of a record that this model would not take any more
                continue
            pairs.append((label(feature, tag), model.wording.value(column, value, tag)))
    return SheetSection("readings", say("sheet.readings", tag), pairs=tuple(pairs))


def card_lines(card: ModelCard, tag: Language) -> tuple[tuple[str, str], ...]:
    """All that a model's card says, each with what it is called."""
    lines = [*_card_texts(card, tag, tuple(card.texts))]
    if card.role is not None:
        lines.append((say("sheet.role", tag), say(f"system_role.{card.role.value}", tag)))
    if card.validated is not None:
        lines.append((say("card.validated", tag), card.validated.isoformat()))
    return tuple(lines)


def text_in(text: Labels, tag: Language) -> str:
    """A recorded text in the reader's language, or in the first that it was recorded in."""
    return label_or(text, tag, next(iter(text.values()), ""))
