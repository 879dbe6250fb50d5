"""Japanese clauses of what is, or is read, otherwise: "トルクがあと7.5 Nm低ければ"."""

from __future__ import annotations

from collections.abc import Sequence

from ifonly.explainers.languages import Language
from ifonly.explainers.wording.gauges import Change, Gauge, Move
from ifonly.explainers.wording.ja.adjectives import Adjective, adjective_for
from ifonly.explainers.wording.ja.own_words import own_clause
from ifonly.explainers.wording.ja.windows import when

LANGUAGE: Language = "ja"


def adjective(change: Change) -> Adjective:
    return adjective_for(change.gauge.label(LANGUAGE), change.gauge.unit, change.move is Move.UP)


def bracketed(text: str) -> str:
    """``text`` in the wide brackets of Japanese; nothing for no text."""
    return f"（{text}）" if text else ""


def if_read(changes: Sequence[Change]) -> str:
    """``モデルに入力されたトルクがあと7.5 Nm低ければ``: of what the model reads."""
    states = [c for c in changes if not _is_entered(c)]
    entries = [c for c in changes if _is_entered(c)]
    ordered = [*states, *entries]
    clauses = []
    for place, change in enumerate(ordered):
        last = place == len(ordered) - 1
        entered = _is_entered(change)
        clauses.append(_entered(change, place == 0, last) if entered else _state(change, last))
    return ("モデルに入力された" if states else "") + "、".join(clauses)


def _is_entered(change: Change) -> bool:
    return own_clause(change) is not None or change.move in (Move.FILLED, Move.EMPTIED)


def _entered(change: Change, first: bool, last: bool) -> str:
    """``工具を交換したとしてモデルに入力されていれば（工具摩耗 216 → 0分）``."""
    to_model = "モデルに" if first else ""
    verb = "入力されていれば" if last else "入力され"
    own = own_clause(change)
    if own:
        return f"{own.past}として{to_model}{verb}{bracketed(change.named_arrow(LANGUAGE))}"
    label = change.gauge.label(LANGUAGE)
    if change.move is Move.FILLED:
        value = change.values(LANGUAGE)[1]
        return f"欠測していた{label}の値が{value}として{to_model}{verb}"
    return f"{label}の値が{to_model}{'入力されていなければ' if last else '入力されず'}"


def if_been(changes: Sequence[Change]) -> str:
    """``トルクがあと7.5 Nm低ければ（60.7 → 53.2 Nm）``: of the equipment."""
    last = len(changes) - 1
    return "、".join(_been(change, place == last) for place, change in enumerate(changes))


def if_was(changes: Sequence[Change], moved_too: Sequence[Gauge]) -> str:
    """As :func:`if_been`; of what moves by its causes too, its own part:
    ``回転速度がそれ自体であと30 rpm低ければ``."""
    last = len(changes) - 1
    return "、".join(
        _state(c, place == last, alone=c.gauge not in moved_too) for place, c in enumerate(changes)
    )


def _been(change: Change, last: bool) -> str:
    own = own_clause(change)
    if own:
        verb = own.if_so if last else own.joined
        return f"{verb}{bracketed(change.named_arrow(LANGUAGE))}"
    return _state(change, last)


def then(effects: Sequence[Change], lead: str = "それに伴って") -> str:
    """``それに伴って回転速度は109 rpm高くなり（1,282 → 1,391 rpm）、``."""
    if not effects:
        return ""
    return f"{lead}{'、'.join(_followed(change) for change in effects)}、"


def by(change: Change) -> str:
    """``7.5 Nm``; of a window also when: ``10分前から4℃``."""
    moved, amount = change.gauge.when, change.amount(LANGUAGE)
    return amount if moved is None else f"{when(moved)}{amount}"


def _followed(change: Change) -> str:
    label = change.gauge.label(LANGUAGE)
    if change.is_numeric:
        amount = by(change)
        return f"{label}は{amount}{adjective(change).joined}なり{bracketed(change.arrow(LANGUAGE))}"
    before, after = change.values(LANGUAGE)
    return f"{label}は{before}ではなく{after}となり"


def _state(change: Change, last: bool, *, alone: bool = True) -> str:
    """A feature in another state: "if" at the end of a list, "and" within it."""
    label = change.gauge.label(LANGUAGE)
    if change.is_numeric:
        word = adjective(change)
        verb = word.if_so if last else word.joined
        own, pair = ("", change.arrow(LANGUAGE)) if alone else ("それ自体で", "")
        moved = "" if change.gauge.when is None else when(change.gauge.when)
        return f"{label}が{own}{moved}あと{change.amount(LANGUAGE)}{verb}{bracketed(pair)}"
    before, after = change.values(LANGUAGE)
    return f"{label}が{before}ではなく{after}{'であれば' if last else 'であり'}"
