"""What answering and recording need while a service runs, made when it starts."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Self, TypeVar

from ifonly.explainers.watch import Watch
from ifonly.service.access import Scope
from ifonly.service.audit.registered_experiments import RunningExperiments
from ifonly.service.metrics import Metrics
from ifonly.service.scheduling.search_quota import Shares
from ifonly.service.scheduling.time_slices import Turns
from ifonly.service.scheduling.worker_pools import Workers
from ifonly.service.served.registry import Registry
from ifonly.service.settings import Settings
from ifonly.service.store.kinds import RecordKind
from ifonly.service.store.opened import Store
from ifonly.service.store.sequencer import Sequencer
from ifonly.service.tracing import Tracing

T = TypeVar("T")


@dataclass(frozen=True, kw_only=True)
class Runtime:
    """Models, threads and the store."""

    settings: Settings
    registry: Registry
    store: Store
    workers: Workers
    """Threads that explain."""
    quick: Workers
    """Threads that predict, whatever is being explained."""
    previews: Workers
    """Threads of what-ifs and of planes."""
    readers: Workers
    """Threads that read the store: not those that answer questions."""
    auditors: Workers
    """Threads for what reads the whole store."""
    metrics: Metrics
    watch: Watch
    """Measures the stages of a request."""
    tracing: Tracing
    """Makes its spans."""
    turns: Turns
    """Whose hard search runs."""
    shares: Shares
    """How much may be searched for whom."""
    experiments: RunningExperiments
    """Of which questions may be."""
    wake: Callable[[], None]
    """Tells those who answer rows of jobs that there are some."""
    sequencer: Sequencer | None = None
    """Has heads of the log signed; None: another process does."""

    def lane(self, kind: RecordKind) -> Workers:
        """Threads for a kind of question: what takes seconds does not keep what takes
        milliseconds."""
        match kind:
            case RecordKind.PREDICTION:
                return self.quick
            case RecordKind.WHAT_IF:
                return self.previews
            case _:
                return self.workers

    async def previewed(self, look: Callable[[], T]) -> T:
        """``look``, a short question that leaves no record, in a thread.

        Raises
        ------
        Overloaded
            If none is free.
        """
        # Hard searches give way meanwhile: a slider must not wait for them (decision 0084).
        with self.turns.brief():
            return await self.previews.run(look)

    def within(self, scope: Scope) -> Self:
        """The same with the models and the records that somebody of that scope may see, and no
        others: no route has to think of it."""
        if scope.is_everything:
            return self
        # The connections stay shared: only what queries are restricted to differs.
        database = replace(self.store.database, scope=scope)
        store = replace(self.store, database=database)
        return replace(self, registry=self.registry.within(scope), store=store)
