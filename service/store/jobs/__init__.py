"""Jobs: questions that are answered after the reply, row by row, by whichever process has time.
Actors take turns, however many jobs and rows one of them has.

A worker leases rows, answers them, and writes the answers' records and that the rows are
answered in one transaction: a row has no record or one, perhaps together with others. A lease that
ran out (its worker was killed, or stopped for too long) is given to another worker; what the first
one still brings is then not written. What a row asked is kept until it is answered; then its record
has it.

Nothing here is evidence by itself: the record of a job's beginning has a digest of all that it
asks, the record of an answer says of which rows it is, the record of the end has the counts.
"""

from ifonly.service.store.jobs.claiming import (
    MAX_ATTEMPTS,
    TURN,
    Claim,
    claim,
    hand_back,
    is_any_free,
    renew,
)
from ifonly.service.store.jobs.finishing import (
    Answered,
    AnsweredTogether,
    RowsAnswered,
    cancel,
    cancelled,
    finish,
)
from ifonly.service.store.jobs.listing import JobFilter, JobPage, page
from ifonly.service.store.jobs.results import JobResult, results
from ifonly.service.store.jobs.sealed import answers_row, check, find, findings, questions
from ifonly.service.store.jobs.stored import EVENTS, JobRow, JobTerms, StoredJob, terms_of
from ifonly.service.store.jobs.submitting import submit, waiting

__all__ = [
    "EVENTS",
    "MAX_ATTEMPTS",
    "TURN",
    "Answered",
    "AnsweredTogether",
    "Claim",
    "JobFilter",
    "JobPage",
    "JobResult",
    "JobRow",
    "JobTerms",
    "RowsAnswered",
    "StoredJob",
    "answers_row",
    "cancel",
    "cancelled",
    "check",
    "claim",
    "find",
    "findings",
    "finish",
    "hand_back",
    "is_any_free",
    "page",
    "questions",
    "renew",
    "results",
    "submit",
    "terms_of",
    "waiting",
]
