"""The list of experiments, and what it is filtered by."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from urllib.parse import urlencode
from zoneinfo import ZoneInfo

from ifonly.explainers.wording import Language
from ifonly.service.audit import records
from ifonly.service.audit.experiments.results import state_of
from ifonly.service.audit.registered_experiments import RegisteredExperiment
from ifonly.service.doors.pages.auditor.naming import Badge, Moment, Tone, moment_of
from ifonly.service.wire import experiments as wire
from ifonly.service.words import experiments as words
from ifonly.service.words.catalogue import say

FIELDS = ("state", "model", "since")
STATES = ("running", "stopped", "stopped_by_guard")
LIMIT = 50
_TONES: Mapping[str, tuple[Tone, str]] = {
    "running": ("good", "live"),
    "stopped": ("plain", "ok"),
    "stopped_by_guard": ("bad", "alarm"),
}


@dataclass(frozen=True, slots=True)
class ExperimentEntry:
    """One, as the list shows it."""

    id: str
    name: str
    model: str
    arms: str
    metric: str
    state: Badge
    started: Moment


@dataclass(frozen=True, slots=True)
class ExperimentList:
    entries: tuple[ExperimentEntry, ...]
    older: str
    """Where the older ones are; empty: there are none."""


def badge_of(state: str, tag: Language) -> Badge:
    tone, sign = _TONES[state]
    return Badge(tone, sign, say(f"experiment.{state}", tag))


def listed(
    known: Iterable[RegisteredExperiment],
    said: Mapping[str, str],
    page: int,
    tag: Language,
    zone: ZoneInfo,
) -> ExperimentList:
    """``known``, the newest first; ``said``: the filters.

    Raises
    ------
    InvalidRequest
        If the time is none.
    """
    since = records.time_of("since", said.get("since"))
    states = [state_of(each) for each in known if since is None or each.started_us >= since]
    wanted = [
        each
        for each in states
        if said.get("state") in (None, each.state)
        and said.get("model") in (None, each.design.model)
    ]
    start = (page - 1) * LIMIT
    shown, more = wanted[start : start + LIMIT], len(wanted) > start + LIMIT
    older = f"/experiments?{urlencode({**said, 'page': page + 1})}" if more else ""
    return ExperimentList(tuple(_entries(shown, tag, zone)), older)


def _entries(
    shown: Sequence[wire.ExperimentState], tag: Language, zone: ZoneInfo
) -> Iterable[ExperimentEntry]:
    for each in shown:
        design = each.design
        yield ExperimentEntry(
            each.id,
            design.name,
            design.model,
            f"{design.control.name} / {design.treatment.name}",
            words.metric(design.metric.name, tag),
            badge_of(each.state, tag),
            moment_of(each.started, zone),
        )
