"""A deployed model that another process serves: what does it say of rows?

``verify`` scores with the model of our own folder, where there is one. Where another process is the
deployed model, an answer holds only if that process says so.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from functools import partial
from typing import TYPE_CHECKING, Any
from typing import Protocol as Port

from ifonly.models.predictor import Rows
from ifonly.models.spec import Protocol, RemoteSpec, RowForm, Spec
from ifonly.service.served.remote import kserve, mlflow, open_inference, writing
from ifonly.service.served.remote.batching import Batcher
from ifonly.service.served.remote.breaker import Breaker
from ifonly.service.served.remote.calling import persistently
from ifonly.service.served.remote.failures import CallFailed, FailureKind
from ifonly.service.served.remote.http import HttpAnswer, HttpPool

if TYPE_CHECKING:
    from ifonly.service.served.remote.drift_report import DriftReport

NEVER = float("inf")


class Caller(Port):
    """One protocol of one server: a single call."""

    @property
    def url(self) -> str: ...

    def once(self, rows: Rows, form: RowForm, seconds: float) -> list[Any]:
        """Words on ``rows`` in their order.

        Raises
        ------
        CallFailed
            If none came.
        PredictorUnclear
            If they cannot be read.
        """
        ...


class HttpCaller:
    """V1, V2 and MLflow's protocol over HTTP."""

    def __init__(
        self, remote: RemoteSpec, spec: Spec, pool: HttpPool, headers: Mapping[str, str]
    ) -> None:
        """``headers``: that are sent with each call, beside the protocol's."""
        self._remote = remote
        self._spec = spec
        self._pool = pool
        self._headers = headers
        self.url = remote.url + self._path

    @property
    def _path(self) -> str:
        match self._remote.protocol:
            case Protocol.V1:
                return kserve.path(self._remote.model)
            case Protocol.MLFLOW:
                return mlflow.PATH
        return open_inference.path(self._remote)

    def once(self, rows: Rows, form: RowForm, seconds: float) -> list[Any]:
        content, headers = self._written(rows, form)
        reply = self._pool.post(self.url, content, {**self._headers, **headers}, seconds)
        return _READ[self._remote.protocol](reply, len(rows), self._remote.output)

    def _written(self, rows: Rows, form: RowForm) -> tuple[bytes, Mapping[str, str]]:
        remote, schema, encoding = self._remote, self._spec.schema, self._spec.encoding
        if remote.protocol is Protocol.V2:
            sent = open_inference.tensors(rows, form, remote, schema, encoding)
            return open_inference.written(sent, remote, is_table=form is RowForm.NAMED)
        instances = writing.in_json(rows, form, schema, encoding)
        write = mlflow.written if remote.protocol is Protocol.MLFLOW else kserve.written
        return write(instances)


_READ: Mapping[Protocol, Callable[[HttpAnswer, int, str | None], list[Any]]] = {
    Protocol.V1: kserve.words,
    Protocol.V2: open_inference.words,
    Protocol.MLFLOW: mlflow.words,
}


class RemotePredictor:
    """A deployed model in another process. Thread-safe."""

    def __init__(
        self, remote: RemoteSpec, caller: Caller, breaker: Breaker, *, is_declared: bool
    ) -> None:
        """``is_declared``: by the model's own folder, and not by settings for all."""
        self.compared: DriftReport | None = None
        """What the last look found; None: nobody has looked yet."""
        self.remote = remote
        self.is_declared = is_declared
        self._caller = caller
        self._breaker = breaker
        self._batchers = {
            form: Batcher(partial(self._called, form), remote.batch) for form in RowForm
        }

    @property
    def url(self) -> str:
        """Where it is asked, as replies tell it."""
        return self._caller.url

    def say(self, rows: Rows, form: RowForm | None = None, until: float = NEVER) -> list[Any]:
        """One word for each of ``rows``, ``(n, n_features)``, as the predictor puts it.

        Parameters
        ----------
        rows : ndarray
        form : RowForm, optional
            How they are written; None: as is declared.
        until : float
            When to wait no longer, on the scale of ``time.monotonic``; each call may take as long
            as is declared, at most.

        Raises
        ------
        PredictorUnavailable
            If it does not answer, or with an error; or is not asked, as it let us wait just now.
        PredictorUnclear
            If it says something else than so many words.
        """
        batcher = self._batchers[form or self.remote.rows]
        found: list[Any] = []
        for start in range(0, len(rows), self.remote.batch):
            limit = time.monotonic() + self.remote.timeout_seconds
            part = rows[start : start + self.remote.batch]
            try:
                found += batcher.ask(part, min(limit, until))
            except CallFailed as error:
                raise self._named(error, limit <= until) from error.__cause__
        return found

    def _called(self, form: RowForm, rows: Rows) -> list[Any]:
        # All of its time, whatever is left of the questions: a short one must not make the
        # predictor look slow, and open the circuit for all.
        until = time.monotonic() + self.remote.timeout_seconds
        return persistently(partial(self._caller.once, rows, form), self._breaker, until)

    def _named(self, error: CallFailed, was_whole: bool) -> CallFailed:
        """The error with the URL, where whoever waited knew none. A call that had all its time
        opens the circuit; one that its question cut short says nothing of the predictor."""
        if self.url in error.reason:
            return error
        if error.how is not FailureKind.LATE:
            return CallFailed(f"{self.url}: {error.reason}", error.how)
        late = CallFailed(f"{self.url} did not answer in time", FailureKind.LATE)
        if was_whole:
            self._breaker.failed(late)
        return late
