"""A model of which there is no copy here, as the port through which everyone scores rows."""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass

import numpy as np

from ifonly.explainers.deadline import Deadline
from ifonly.explainers.errors import DeadlineReached
from ifonly.models.predictor import Rows, Scores, finite
from ifonly.models.said import evened, expected, read_said
from ifonly.models.schema import Decision
from ifonly.service.errors import PredictorUnclear
from ifonly.service.served.remote.failures import CallFailed, FailureKind
from ifonly.service.served.remote.remote import RemotePredictor

PREDICTOR = "predictor"
GRACE_SECONDS = 2.0
"""For what the checker asks after a question's time: an answer that nobody has checked is none."""

Away = Callable[[], AbstractContextManager[object]]
"""Opened while somebody else computes."""


@dataclass(frozen=True, eq=False)
class RemoteScorer:
    """Scores by the word of the server that has the model. Thread-safe."""

    predictor: RemotePredictor
    decision: Decision
    away: Away = nullcontext

    def score(self, rows: Rows) -> Scores:
        """Scores of ``rows``; each call may take as long as the folder declares.

        Raises
        ------
        PredictorUnavailable, PredictorUnclear
            If it does not answer, or not by numbers.
        NotFinite
            If it says a number that is none.
        """
        return self.until(rows, math.inf)

    def until(self, rows: Rows, until: float) -> Scores:
        """The same, waiting until then at most (``time.monotonic``)."""
        with self.away():
            words = evened(self.predictor.say(rows, until=until))
        url, found = self.predictor.url, []
        for said in words:
            read = read_said(said, self.decision)
            if read is None or read.scores is None:
                # A class alone has no margin to search along, and no probability to be told.
                came = f"{url} said {str(said)[:200]} of a row, and no score"
                raise PredictorUnclear(came, expected(self.decision))
            found.append(read.scores)
        scores = np.array(found).reshape(len(rows), self.decision.n_outputs)
        return finite(scores, rows, PREDICTOR)


@dataclass(frozen=True, eq=False)
class InTime:
    """The same within the time of one question."""

    scorer: RemoteScorer
    deadline: Deadline
    is_search: bool
    """Whether it is asked by the search, which goes on without an answer; else by the checker."""

    def score(self, rows: Rows) -> Scores:
        """Scores of ``rows``.

        Raises
        ------
        DeadlineReached
            If the time of the question ended while the search waited.
        PredictorUnavailable, PredictorUnclear, NotFinite
            As :meth:`RemoteScorer.score`.
        """
        left = self.deadline.left()
        if not self.is_search:
            left = max(left, GRACE_SECONDS)
        until = time.monotonic() + left
        try:
            return self.scorer.until(rows, until)
        except CallFailed as error:
            if self.is_search and error.how is FailureKind.LATE and time.monotonic() >= until:
                raise DeadlineReached(
                    "the deadline passed while the predictor was asked"
                ) from error
            raise
