"""Whether recourse is fair, as a page of its own: one file that fetches nothing."""

from __future__ import annotations

from markupsafe import Markup

from ifonly.explainers.wording import Language
from ifonly.explainers.wording.numerals import count
from ifonly.service.doors.pages.auditor.fairness_shown import shown
from ifonly.service.doors.pages.auditor.file_report import STYLES
from ifonly.service.doors.pages.rendering import file_of
from ifonly.service.doors.pages.static_files import shipped
from ifonly.service.wire import fairness as wire
from ifonly.service.words.catalogue import say


def fairness_file(reply: wire.FairnessReply, language: Language) -> str:
    """The page, as HTML; of rows that were asked anew."""
    title = say("fairness.of_rows", language, model=reply.model, rows=count(reply.asked))
    return file_of(
        "auditor/fairness_file.html",
        language,
        told=shown(reply, language, title),
        # Ours, and of no stranger: escaped, it would be no style.
        style=Markup("\n".join(shipped()[style].content.decode() for style in STYLES)),
    )
