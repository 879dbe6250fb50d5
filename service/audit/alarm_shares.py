"""The share of alarms of each version over time, from what was counted as it was recorded."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence

from ifonly.models.errors import UnknownModel
from ifonly.models.quality import ModelQuality
from ifonly.models.shares import ShareEstimate, share
from ifonly.service.audit import records
from ifonly.service.errors import Fault, Forbidden, InvalidRequest, RequestPart
from ifonly.service.served.registry import Registry
from ifonly.service.store import alarm_rates
from ifonly.service.store.alarm_rates import HOUR_US, HourlyRate
from ifonly.service.store.chain import DAY_US, now_us, timestamp
from ifonly.service.store.database import Database
from ifonly.service.wire import alarm_rate as wire
from ifonly.service.wire.report import Proportion

PIECES: Mapping[wire.Per, int] = {"hour": HOUR_US, "day": DAY_US}
USUAL: Mapping[wire.Per, int] = {"hour": 48, "day": 30}
"""Pieces that are told of where nobody says since when."""


def told(
    database: Database, registry: Registry, model: str, query: wire.RateQuery
) -> wire.RatesReply:
    """Raises
    ------
    UnknownModel
        If there is no such model.
    Forbidden
        If whoever asks is here for some machines only: counts are of all.
    InvalidRequest
        If a time is none, or there are too many pieces.
    StoreUnavailable, StoreDamaged
        If the store cannot be read.
    """
    registry.find(model)
    if database.scope.attributes:
        raise Forbidden("shares of alarms are of all machines, and you may see some of them only")
    since, until = _period(query)
    found = alarm_rates.hourly(database, model, since, until)
    expected = dict(_expected(registry, model, {each.version for each in found}))
    return wire.RatesReply(
        name=model,
        since=timestamp(since),
        until=timestamp(until),
        per=query.per,
        points=list(_points(found, PIECES[query.per], expected)),
        expected=[
            wire.ExpectedShare(version=version, alarms=Proportion.estimated(each))
            for version, each in expected.items()
        ],
        changes=[
            wire.VersionChange(
                time=timestamp(each.time_us),
                version=each.version,
                status=each.status,
                record=each.record,
            )
            for each in alarm_rates.changes(database, model, since, until)
        ],
    )


def _period(query: wire.RateQuery) -> tuple[int, int]:
    piece = PIECES[query.per]
    until = records.time_of("until", query.until)
    until = now_us() + 1 if until is None else until
    since = records.time_of("since", query.since)
    # Of the last piece a part is there already: it is told as it is.
    first = -(-until // piece) * piece - USUAL[query.per] * piece if since is None else since
    since = first // piece * piece
    pieces = -(-(until - since) // piece)
    if not 0 < pieces <= wire.MOST_PIECES:
        problem = (
            f"the period has {max(pieces, 0):,} pieces; at least one and at most "
            f"{wire.MOST_PIECES:,} are told"
        )
        fault = Fault(("since",), problem, query.since, limit=wire.MOST_PIECES, parameter="since")
        raise InvalidRequest(RequestPart.REQUEST, [fault])
    return since, until


def _expected(
    registry: Registry, model: str, versions: set[str]
) -> Iterator[tuple[str, ShareEstimate]]:
    """Of versions that are here and were measured."""
    for version in registry.versions(model):
        if version not in versions:
            continue
        try:
            quality = registry.get(model, version).deployed.quality
        except UnknownModel:  # dropped meanwhile
            continue
        if isinstance(quality, ModelQuality):
            yield version, quality.alarm_share


def _points(
    found: Sequence[HourlyRate], piece: int, expected: Mapping[str, ShareEstimate]
) -> Iterator[wire.RatePoint]:
    counted: dict[tuple[int, str], list[int]] = defaultdict(lambda: [0, 0])
    for each in found:
        of = counted[each.hour_us // piece * piece, each.version]
        of[0] += each.alarms
        of[1] += each.decided
    for (start, version), (alarms, rows) in sorted(counted.items()):
        if not 0 <= alarms <= rows:  # somebody has written into the table
            continue
        estimate, usual = share(alarms, rows), expected.get(version)
        yield wire.RatePoint(
            start=timestamp(start),
            version=version,
            alarms=Proportion.estimated(estimate),
            is_unlike=usual is not None
            and (estimate.low > usual.high or estimate.high < usual.low),
        )
