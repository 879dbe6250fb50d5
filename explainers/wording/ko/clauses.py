"""Korean clauses of what is, or is read, otherwise: "토크가 7.5 Nm 더 낮았다면(60.7 → 53.2 Nm)"."""

from __future__ import annotations

from collections.abc import Sequence

from ifonly.explainers.languages import Language
from ifonly.explainers.wording.gauges import Change, Gauge, Move
from ifonly.explainers.wording.ko.adjectives import Adjective, adjective_for
from ifonly.explainers.wording.ko.own_words import own_clause
from ifonly.explainers.wording.ko.particles import SUBJECT, TO, TOPIC, WAS, Particle, attach
from ifonly.explainers.wording.ko.windows import when
from ifonly.explainers.wording.text import bracketed

LANGUAGE: Language = "ko"


def adjective(change: Change) -> Adjective:
    return adjective_for(change.gauge.label(LANGUAGE), change.gauge.unit, change.move is Move.UP)


def if_read(changes: Sequence[Change]) -> str:
    """``모델에 입력된 토크가 7.5 Nm 더 낮았다면(60.7 → 53.2 Nm)``: of what the model reads."""
    states = [c for c in changes if not _is_entered(c)]
    entries = [c for c in changes if _is_entered(c)]
    ordered = [*states, *entries]
    clauses = []
    for place, change in enumerate(ordered):
        last = place == len(ordered) - 1
        clause = (
            _entered(change, place == 0, last)
            if _is_entered(change)
            else _state(change, SUBJECT, "다면" if last else None)
        )
        clauses.append(clause)
    prefix = "모델에 입력된 " if states else ""
    return prefix + ", ".join(clauses)


def _is_entered(change: Change) -> bool:
    return own_clause(change) is not None or change.move in (Move.FILLED, Move.EMPTIED)


def _entered(change: Change, first: bool, last: bool) -> str:
    """``공구를 교체한 것으로 모델에 입력되었다면(공구 마모 216 → 0분)``."""
    to_model = "모델에 " if first else ""
    own = own_clause(change)
    if own:
        verb = "입력되었다면" if last else "입력되고"
        return (
            f"{own.adnominal} 것으로 {to_model}{verb}{bracketed(change.named_arrow(LANGUAGE), '')}"
        )
    label = change.gauge.label(LANGUAGE)
    if change.move is Move.FILLED:
        verb = "입력되었다면" if last else "입력되고"
        value = attach(change.values(LANGUAGE)[1], TO)
        return f"누락되었던 {label} 값이 {to_model}{value} {verb}"
    verb = "입력되지 않았다면" if last else "입력되지 않고"
    return f"{label} 값이 {to_model}{verb}"


def if_been(changes: Sequence[Change]) -> str:
    """``토크가 7.5 Nm 더 낮았다면(60.7 → 53.2 Nm)``: of the equipment."""
    last = len(changes) - 1
    return ", ".join(
        _been(change, SUBJECT, "다면" if place == last else None)
        for place, change in enumerate(changes)
    )


def if_was(changes: Sequence[Change], moved_too: Sequence[Gauge]) -> str:
    """``토크가 7.5 Nm 더 낮았다면(60.7 → 53.2 Nm)``; of what moves by its causes too, its own part:
    ``회전 속도가 그 자체로 30 rpm 더 낮았다면``."""
    last = len(changes) - 1
    return ", ".join(
        _state(c, SUBJECT, "다면" if place == last else None, alone=c.gauge not in moved_too)
        for place, c in enumerate(changes)
    )


def _been(change: Change, particle: Particle, ending: str | None) -> str:
    own = own_clause(change)
    if own:
        verb = own.joined if ending is None else own.past + ending
        return f"{verb}{bracketed(change.named_arrow(LANGUAGE), '')}"
    return _state(change, particle, ending)


def then(effects: Sequence[Change], lead: str = "그에 따라") -> str:
    """``그에 따라 회전 속도는 109 rpm 더 높았을 것이고(1,282 → 1,391 rpm), ``."""
    if not effects:
        return ""
    last = len(effects) - 1
    clauses = [
        _state(change, TOPIC, "을 것이고" if place == last else None)
        for place, change in enumerate(effects)
    ]
    return f"{lead} {', '.join(clauses)}, "


def by(change: Change) -> str:
    """``7.5 Nm``; of a window also when: ``10분 전부터 4°C``."""
    moved, amount = change.gauge.when, change.amount(LANGUAGE)
    return amount if moved is None else f"{when(moved)} {amount}"


def _state(change: Change, particle: Particle, ending: str | None, *, alone: bool = True) -> str:
    """A feature in another state; ``ending`` on the past stem, or None for "and"."""
    subject = attach(change.gauge.label(LANGUAGE), particle)
    if change.is_numeric:
        word = adjective(change)
        verb = word.joined if ending is None else word.past + ending
        own, pair = ("", change.arrow(LANGUAGE)) if alone else ("그 자체로 ", "")
        return f"{subject} {own}{by(change)} 더 {verb}{bracketed(pair, '')}"
    before, after = change.values(LANGUAGE)
    verb = f"{after}이고" if ending is None else attach(after, WAS) + ending
    return f"{subject} {attach(before, SUBJECT)} 아니라 {verb}"
