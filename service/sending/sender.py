"""The thread of a process that sends what the outbox has."""

from __future__ import annotations

import random
import time
from collections.abc import Callable, Sequence
from functools import partial

from ifonly.service import logs
from ifonly.service.errors import ServiceError, StoreUnavailable
from ifonly.service.metrics import Metrics
from ifonly.service.polling import PollingThread
from ifonly.service.sending import messages, webhooks
from ifonly.service.sending.http import HttpClient
from ifonly.service.sending.sink import DELIVERED, Fate, Sink
from ifonly.service.sending.sinks import sink_of
from ifonly.service.settings import Settings
from ifonly.service.store import outbox
from ifonly.service.store.opened import Store
from ifonly.service.store.outbox import Failed, Message
from ifonly.service.wire.cloudevents import CloudEvent

AT_ONCE = 16
LEASES = 2
"""Of a job's rows: what a process had that was killed is sent by another after so long. By default
that is longer than sinks and webhooks that let each message wait can take for so many."""
FIRST_WAIT_SECONDS, LONGEST_WAIT_SECONDS = 1.0, 300.0
"""Before a second try, and the most between two; see :func:`wait_before`."""
NOBODY = "urn:ifonly"
"""Who tells, where no setting says how browsers find the service."""


class Sender:
    """A thread: ``start`` it, ``stop`` it."""

    def __init__(self, store: Store, settings: Settings, metrics: Metrics) -> None:
        """Raises
        ------
        SinkUnavailable
            If the settings name a sink or a secret that cannot be used.
        """
        self._store = store
        self._settings = settings
        self._metrics = metrics
        self._name = f"{store.journal.writer}-sender"
        self._lease_us = round(LEASES * settings.job_lease_seconds * 1e6)
        self._source = settings.public_url or NOBODY
        self._sink: Sink | None = None
        if settings.event_sink is not None:
            url = settings.event_sink.get_secret_value()
            self._sink = sink_of(url, settings.event_sink_options)
        self._secrets: tuple[bytes, ...] = ()
        if settings.webhook_patterns:
            secret = settings.webhook_secret
            self._secrets = webhooks.secrets_of("" if secret is None else secret.get_secret_value())
        self._http = HttpClient()
        self._thread = PollingThread("sender", self.send, of="messages", close=self._close)

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        self._thread.stop(self._settings.shutdown_seconds)

    def _close(self) -> None:
        self._http.close()
        if self._sink is not None:
            self._sink.close()

    def send(self) -> bool:
        """Send what is due; whether there was anything."""
        journal = self._store.journal
        if not outbox.is_any_due(self._store.database):
            return False
        found = journal.change(outbox.claim(self._name, AT_ONCE, self._lease_us)).result()
        fates = [*self._events([m for m in found if m.target is None])]
        fates += self._webhooks([m for m in found if m.target is not None])
        sent = [message.id for message, fate in fates if fate.reason is None]
        failed = [self._failed(message, fate) for message, fate in fates if fate.reason is not None]
        journal.change(outbox.settle(self._name, sent, failed)).result()
        dead = sum(each.wait_us is None for each in failed)
        self._metrics.messages({"sent": len(sent), "retried": len(failed) - dead, "dead": dead})
        if dead:
            logs.logger.error("%d messages were given up: `ifonly events list`", dead)
        return bool(found)

    def _failed(self, message: Message, fate: Fate) -> Failed:
        reason = fate.reason or ""
        if fate.is_final or message.attempts >= self._settings.event_attempts:
            return Failed(message.id, reason, None)
        wait = wait_before(message.attempts, fate.wait_seconds)
        return Failed(message.id, reason, round(wait * 1e6))

    def _events(self, found: Sequence[Message]) -> list[tuple[Message, Fate]]:
        """Events for the sink."""
        told: list[tuple[Message, Fate]] = []
        ready: list[tuple[Message, CloudEvent]] = []
        for message in found:
            try:
                event = messages.event_of(self._store.database, message, self._source)
            except ServiceError as error:
                told.append((message, _unmade(error)))
                continue
            if event is None:
                told.append((message, DELIVERED))  # erased: nothing is left to tell
            else:
                ready.append((message, event))
        if self._sink is None:
            none = Fate("no sink is named (IFONLY_EVENT_SINK)")
            return told + [(message, none) for message, _ in ready]
        fates = self._sink.send([event for _, event in ready]) if ready else []
        return told + [(m, fate) for (m, _), fate in zip(ready, fates, strict=True)]

    def _webhooks(self, found: Sequence[Message]) -> list[tuple[Message, Fate]]:
        posts: list[Callable[[], Fate]] = [partial(self._webhook, message) for message in found]
        return list(zip(found, self._http.post_all(posts), strict=True))

    def _webhook(self, message: Message) -> Fate:
        assert message.target is not None
        # Once more: the settings may allow less by now, and a row of the store is no permission.
        why = webhooks.why_not(message.target, self._settings.webhook_patterns)
        if why is not None:
            return Fate(why, is_final=True)
        try:
            body = messages.webhook_of(self._store.database, message)
        except ServiceError as error:
            return _unmade(error)
        now = int(time.time())
        headers = {
            "Content-Type": "application/json",
            "webhook-id": message.id,
            "webhook-timestamp": str(now),
            "webhook-signature": webhooks.signature(self._secrets, message.id, now, body),
        }
        return self._http.post(message.target, body, headers)


def _unmade(error: ServiceError) -> Fate:
    """Of a message whose record cannot be told; a store that is away may be back."""
    is_away = isinstance(error, StoreUnavailable)
    return Fate(str(error), is_final=not is_away)


def wait_before(
    attempts: int, asked: float | None, chance: Callable[[], float] = random.random
) -> float:
    """Seconds until a message that was tried ``attempts`` times is tried again: twice as long each
    time, half of it by chance, so that many do not come back at once; at least what was ``asked``.
    """
    seconds = min(LONGEST_WAIT_SECONDS, FIRST_WAIT_SECONDS * 2.0 ** min(attempts - 1, 30))
    jittered = seconds * (0.5 + 0.5 * chance())
    return max(jittered, asked or 0.0)
