"""The sheet for whoever a decision is about, as a PDF file (extra ``pdf``; decision 0138)."""

from __future__ import annotations

from collections.abc import Iterator
from functools import cache
from html import escape
from importlib.util import find_spec
from io import BytesIO
from typing import Any

from ifonly.explainers.wording import Language
from ifonly.service.words.sheets import PersonSheet, SheetSection
from ifonly.service.words.typography import percents

FONTS: dict[Language, tuple[str, str]] = {
    "en": ("Helvetica", "Helvetica-Bold"),
    "ko": ("HYGothic-Medium", "HYGothic-Medium"),
    "ja": ("HeiseiKakuGo-W5", "HeiseiKakuGo-W5"),
}
"""Text and titles. Those of Korean and Japanese are names that every reader of PDF knows (Adobe's
character collections), and takes a font of its own for: nothing is embedded, nothing shipped."""
MARGIN_MM = 20


def is_available() -> bool:
    """Whether what makes the file is installed."""
    return find_spec("reportlab") is not None


def pdf(shown: PersonSheet, tag: Language) -> bytes:
    """The file; the same bytes for the same sheet."""
    from reportlab.lib.pagesizes import A4
    from reportlab.lib.units import mm
    from reportlab.platypus import SimpleDocTemplate

    buffer = BytesIO()
    margin = MARGIN_MM * mm
    document = SimpleDocTemplate(
        buffer, pagesize=A4, title=f"{shown.title}: {shown.model}", author="ifonly", lang=tag,
        leftMargin=margin, rightMargin=margin, topMargin=margin, bottomMargin=margin, invariant=1,
    )  # fmt: skip
    document.build(list(_flow(shown, tag, document.width)))
    return buffer.getvalue()


def _flow(shown: PersonSheet, tag: Language, width: float) -> Iterator[Any]:
    from reportlab.platypus import Paragraph, Spacer

    styles = _styles(tag)

    def said(text: str, style: str) -> Any:
        # Escaped: what a plant or a client wrote is text, and no markup.
        return Paragraph(escape(percents(text, tag)), styles[style])

    yield said(shown.title, "title")
    yield said(shown.model, "model")
    yield said(shown.lead, "text")
    for section in shown.sections:
        yield from _section(section, said, styles, width)
    yield Spacer(1, 8)
    yield said(shown.record, "note")


def _section(section: SheetSection, said: Any, styles: Any, width: float) -> Iterator[Any]:
    from reportlab.platypus import ListFlowable, Table

    yield said(section.title, "head")
    for paragraph in section.paragraphs:
        yield said(paragraph, "text")
    if section.ranked:
        items = [said(each, "text") for each in section.ranked]
        font = styles["text"].fontName
        yield ListFlowable(
            items, bulletType="1", leftIndent=16, bulletFontName=font, bulletFontSize=10
        )
    if section.pairs:
        rows = [[said(name, "name"), said(value, "text")] for name, value in section.pairs]
        plain = [("VALIGN", (0, 0), (-1, -1), "TOP"), ("LEFTPADDING", (0, 0), (-1, -1), 0)]
        yield Table(rows, colWidths=[0.3 * width, 0.7 * width], style=plain, hAlign="LEFT")
    if section.note:
        yield said(section.note, "note")


@cache
def _styles(tag: Language) -> dict[str, Any]:
    from reportlab.lib.colors import HexColor
    from reportlab.lib.styles import ParagraphStyle
    from reportlab.pdfbase import pdfmetrics
    from reportlab.pdfbase.cidfonts import UnicodeCIDFont

    plain, bold = FONTS[tag]
    if tag != "en":
        pdfmetrics.registerFont(UnicodeCIDFont(plain))
    # Words of these languages break anywhere, as they do on paper.
    text = ParagraphStyle(
        "text", fontName=plain, fontSize=10, leading=14, wordWrap=None if tag == "en" else "CJK"
    )
    soft = HexColor("#555555")
    styles = (
        text,
        ParagraphStyle("title", text, fontName=bold, fontSize=17, leading=22),
        ParagraphStyle("model", text, fontSize=12, leading=16, spaceAfter=6, textColor=soft),
        ParagraphStyle("head", text, fontName=bold, fontSize=12, spaceBefore=10, spaceAfter=3),
        ParagraphStyle("name", text, textColor=soft),
        ParagraphStyle("note", text, fontSize=8.5, leading=11.5, textColor=soft, spaceBefore=4),
    )
    return {style.name: style for style in styles}
