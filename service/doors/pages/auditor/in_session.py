"""What somebody has judged since they signed in, and what of it they can take back."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass

from ifonly.explainers.wording import Language
from ifonly.service.doors.pages.auditor.naming import Badge, badge
from ifonly.service.store import populations, sessions
from ifonly.service.store.chain import now_us
from ifonly.service.store.database import Database
from ifonly.service.store.explanations import VERDICTS
from ifonly.service.store.withdrawals import in_force

MOST = 2_000
"""Reviews of a session that are looked at."""
SECOND_US = 1_000_000


@dataclass(frozen=True, slots=True)
class Last:
    """The last review that can be taken back."""

    about: str
    review: str
    badge: Badge


@dataclass(frozen=True, slots=True)
class InSession:
    """Of one person."""

    approved: int
    rejected: int
    last: Last | None


def said(
    database: Database, actor: str, token: str, session_seconds: int, tag: Language
) -> InSession:
    """``session_seconds``: how far back it is looked where there are no sessions.

    Raises
    ------
    StoreUnavailable, StoreDamaged
        If the store cannot be read.
    """
    since = sessions.began(database, token)
    if since is None:
        since = now_us() - session_seconds * SECOND_US
    own = in_force(populations.own_reviews(database, actor, since, MOST))
    judged = [r for r in own if r.facts.status in VERDICTS]
    counts = Counter(r.facts.status for r in judged)
    last = None
    if judged:
        facts = judged[-1].facts
        last = Last(facts.about or "", facts.id, badge(facts.status or "", tag))
    return InSession(counts["approve"], counts["reject"], last)
