"""The recourse report of a file of answers as a page of its own: what the auditors' page shows, in
one file that fetches nothing."""

from __future__ import annotations

from dataclasses import replace

from markupsafe import Markup

from ifonly.explainers.wording import Language
from ifonly.service.bulk_runs.recourse import FileRecourse
from ifonly.service.doors.pages.auditor.fairness_shown import shown as shown_fairness
from ifonly.service.doors.pages.auditor.naming import moment
from ifonly.service.doors.pages.auditor.report import shown
from ifonly.service.doors.pages.rendering import file_of
from ifonly.service.doors.pages.static_files import shipped

STYLES = ("ifonly.css", "oversight.css")


def file_report(found: FileRecourse, name: str, language: Language) -> str:
    """The page, as HTML; ``name``: of the file."""
    run = found.verification.manifest
    page = shown(found.report, found.reply, language)
    return file_of(
        "auditor/file_report.html",
        language,
        # Of a file nobody says what was done, and its common change has no record.
        told=replace(page, verdicts=(), judged=None, has_records=False),
        fairness=None if found.fairness is None else shown_fairness(found.fairness, language),
        name=name,
        run=run,
        period=tuple(moment(run[end])[:-3] for end in ("begun", "ended")),
        verification=found.verification,
        # Ours, and of no stranger: escaped, it would be no style.
        style=Markup("\n".join(shipped()[style].content.decode() for style in STYLES)),
    )
