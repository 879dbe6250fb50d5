"""Answers as HTML: the sentence, a table of what changes, and a line for each number."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from html import escape

from ifonly.change import Change
from ifonly.models.plain import plain

Ends = Mapping[str, tuple[float, float]]
"""Least and greatest reading of each feature, as far as they are known."""

WORDS = {
    "en": ("what", "was", "would have done", "anywhere in", "Assumed"),
    "ko": ("항목", "실제 값", "충분했을 값", "충분한 범위", "가정"),
    "ja": ("項目", "実際の値", "足りた値", "足りる範囲", "前提"),
}
"""Headings of a table, and of what was assumed."""

WIDTH, HEIGHT, LEFT, RIGHT = 440, 30, 130, 14
LINE, DIM, FROM, TO, SPAN = "#888", "currentColor", "#b45309", "#15803d", "#15803d"
OPEN = (float("-inf"), float("inf"))
SHOWN = 20
"""Answers that are shown; of more, it is said how many there are."""


def document(answers: Sequence[str], assumptions: Sequence[str], language: str) -> str:
    """Some answers, and what all of them assume."""
    parts = list(answers[:SHOWN])
    if len(answers) > SHOWN:
        parts.append(f"<p>… {len(answers):,}</p>")
    if assumptions:
        listed = "".join(f"<li>{escape(each)}</li>" for each in assumptions)
        heading = _words(language)[4]
        parts.append(f"<details><summary>{heading}</summary><ul>{listed}</ul></details>")
    return f'<div class="ifonly" lang="{escape(language)}">{"".join(parts)}</div>'


def drawn(
    status: str,
    sentence: str,
    changes: Sequence[Change],
    ends: Ends,
    notes: Sequence[str],
    language: str,
) -> str:
    """One answer."""
    parts = [f"<p><strong>{escape(status)}</strong> {escape(sentence)}</p>"]
    if changes:
        parts += [_table(changes, language), _plot(changes, ends, sentence)]
    parts += [f"<p><em>{escape(note)}</em></p>" for note in notes]
    return "".join(parts)


def _words(language: str) -> tuple[str, ...]:
    return WORDS.get(language, WORDS["en"])


def _table(changes: Sequence[Change], language: str) -> str:
    heads = "".join(f'<th scope="col">{word}</th>' for word in _words(language)[:4])
    lines = "".join(map(_line, changes))
    return f"<table><thead><tr>{heads}</tr></thead><tbody>{lines}</tbody></table>"


def _line(change: Change) -> str:
    span = change.sufficient_range
    cells = (
        _text(change.before, change.unit),
        _text(change.after, change.unit),
        "" if span is None else f"{plain(span[0])} – {plain(span[1])}",
    )
    said = "".join(f"<td>{escape(cell)}</td>" for cell in cells)
    return f'<tr><th scope="row">{escape(change.feature)}</th>{said}</tr>'


def _text(value: object, unit: str) -> str:
    said = "–" if value is None else plain(value) if isinstance(value, float) else str(value)
    return f"{said} {unit}".strip()


def _plot(changes: Sequence[Change], ends: Ends, sentence: str) -> str:
    """Each number that changes on its own scale; nothing where none does."""
    drawn = [change for change in changes if _is_number(change)]
    lines = [_scale(c, ends.get(c.feature, OPEN), HEIGHT * (i + 0.5)) for i, c in enumerate(drawn)]
    if not lines:
        return ""
    height = HEIGHT * len(lines)
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{WIDTH}" height="{height}" '
        f'viewBox="0 0 {WIDTH} {height}" role="img" font-size="12" font-family="sans-serif">'
        f"<title>{escape(sentence)}</title>{''.join(lines)}</svg>"
    )


def _is_number(change: Change) -> bool:
    # A category is its name; a missing reading has no place on a line.
    return isinstance(change.before, int | float) and isinstance(change.after, int | float)


def _scale(change: Change, ends: tuple[float, float], y: float) -> str:
    before, after = change.before, change.after
    assert isinstance(before, int | float)
    assert isinstance(after, int | float)
    told = [before, after, *(change.sufficient_range or ())]
    low, high = (_finite(end, before) for end in ends)
    low, high = min([*told, low]), max([*told, high])
    wide = (high - low) or 1.0

    def x(value: float) -> float:
        return round(float(LEFT + (value - low) / wide * (WIDTH - LEFT - RIGHT)), 1)

    span = change.sufficient_range
    shaded = "" if span is None else (
        f'<line x1="{x(span[0])}" x2="{x(span[1])}" y1="{y}" y2="{y}" stroke="{SPAN}" '
        f'stroke-width="8" stroke-opacity="0.3"/>'
    )  # fmt: skip
    return (
        f'<text x="0" y="{y + 4}" fill="{DIM}">{escape(change.feature[:18])}</text>'
        f'<line x1="{LEFT}" x2="{WIDTH - RIGHT}" y1="{y}" y2="{y}" stroke="{LINE}"/>{shaded}'
        f'<line x1="{x(before)}" x2="{x(after)}" y1="{y}" y2="{y}" stroke="{TO}" stroke-width="2"/>'
        f'<circle cx="{x(before)}" cy="{y}" r="5" fill="{FROM}"/>'
        f'<circle cx="{x(after)}" cy="{y}" r="5" fill="{TO}"/>'
    )


def _finite(bound: float, otherwise: float) -> float:
    return otherwise if bound in (float("inf"), float("-inf")) else bound
