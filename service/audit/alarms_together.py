"""Alarms that are looked at, and acted on, together: by what they have in common, worst first."""

from __future__ import annotations

import asyncio
import base64
import binascii
import hashlib
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

from ifonly.service.audit.alarms import recorded
from ifonly.service.audit.recorder import Recorder
from ifonly.service.errors import AlarmMoved, AlarmOver, UnknownRecord
from ifonly.service.lifecycle import AlarmState
from ifonly.service.store.open_alarms import OpenAlarm
from ifonly.service.wire import alarms as wire

AT_ONCE = 64
"""Actions that wait for the journal together: it has room for others' records."""
MARK_BYTES = 9
"""Of the digest of an alarm that somebody has seen: twelve characters of a form."""
EQUIPMENT, MODEL = "equipment", "model"
"""By what alarms can be grouped beside their attributes."""


@dataclass(frozen=True, slots=True)
class AlarmGroup:
    """Open alarms with something in common."""

    name: str
    """What they have in common: a piece of equipment's name, a line's …"""
    alarms: tuple[OpenAlarm, ...]
    """The most urgent first."""
    rank: int
    """Of the highest priority of those that nobody has acknowledged."""

    @property
    def unacknowledged(self) -> tuple[OpenAlarm, ...]:
        return tuple(each for each in self.alarms if each.is_unacknowledged)

    @property
    def active(self) -> int:
        """That are neither cleared, nor shelved, nor out of service."""
        calm = (AlarmState.ACTIVE_UNACKNOWLEDGED, AlarmState.ACTIVE_ACKNOWLEDGED)
        return sum(each.state in calm for each in self.alarms)

    @property
    def share(self) -> float | None:
        """The highest probability."""
        return max((a.share for a in self.alarms if a.share is not None), default=None)

    @property
    def raised_us(self) -> int:
        """The newest."""
        return max(each.raised_us for each in self.alarms)

    @property
    def models(self) -> tuple[str, ...]:
        return tuple(sorted({each.model for each in self.alarms}))

    def apart(self) -> dict[str, list[str]]:
        """Attributes by name, with the values that its alarms have of them, the group's own left
        out: where they are."""
        found: dict[str, set[str]] = {}
        for alarm in self.alarms:
            for name, value in alarm.said.items():
                found.setdefault(name, set()).add(value)
        return {n: sorted(values) for n, values in found.items() if values != {self.name}}


def grouped(
    alarms: Iterable[OpenAlarm], by: str, ranks: Mapping[str, int]
) -> tuple[AlarmGroup, ...]:
    """By ``equipment``, ``model`` or an attribute, whose alarms without it are in no group; the
    worst first: by priority, then by how many nobody has acknowledged, are active, are there."""
    found: dict[str, list[OpenAlarm]] = {}
    for alarm in alarms:
        name = _name(alarm, by)
        if name is not None:
            found.setdefault(name, []).append(alarm)
    made = (AlarmGroup(name, tuple(of), _rank(of, ranks)) for name, of in found.items())
    return tuple(sorted(made, key=_worst))


def _name(alarm: OpenAlarm, by: str) -> str | None:
    match by:
        case "equipment":
            return alarm.equipment
        case "model":
            return alarm.model
        case _:
            return alarm.said.get(by)


def _rank(alarms: Iterable[OpenAlarm], ranks: Mapping[str, int]) -> int:
    return max((ranks.get(a.model, 0) for a in alarms if a.is_unacknowledged), default=-1)


def _worst(group: AlarmGroup) -> tuple[float, ...] | tuple[float | str, ...]:
    return (
        -group.rank,
        -len(group.unacknowledged),
        -group.active,
        -len(group.alarms),
        -(group.share or 0.0),
        group.name,
    )


def names(alarms: Iterable[OpenAlarm]) -> tuple[str, ...]:
    """Attributes by which they can be grouped."""
    return tuple(sorted({name for alarm in alarms for name in alarm.said}))


# --- what somebody has seen ---------------------------------------------------------------


def seen(alarms: Iterable[OpenAlarm]) -> str:
    """Those that nobody has acknowledged, as a page shows them; for :func:`still_seen`."""
    marks = b"".join(_mark(each) for each in alarms if each.is_unacknowledged)
    return base64.urlsafe_b64encode(marks).decode()


def still_seen(token: str, alarms: Iterable[OpenAlarm]) -> list[OpenAlarm]:
    """Those of ``alarms`` that nobody has acknowledged and that are as ``token`` has them: one that
    was raised, or has returned, since is not among them. A token that is none: none is."""
    try:
        told = base64.b64decode(token, b"-_", validate=True)
    except (ValueError, binascii.Error):
        return []
    marks = {told[k : k + MARK_BYTES] for k in range(0, len(told), MARK_BYTES)}
    return [each for each in alarms if each.is_unacknowledged and _mark(each) in marks]


def _mark(alarm: OpenAlarm) -> bytes:
    said = f"{alarm.id}/{alarm.returns}".encode()
    return hashlib.blake2b(said, digest_size=MARK_BYTES).digest()


# --- what is done about them --------------------------------------------------------------


async def given_together(
    request: wire.ActionsRequest, recorder: Recorder
) -> wire.ActedTogetherReply:
    """Do it to each, and record it of each, as with one alarm; what cannot be done to one keeps no
    other from it.

    Raises
    ------
    JournalFull, StoreUnavailable
        If one cannot be recorded: those before it are. Asked again, they are not done twice.
    """
    found: dict[str, list[str]] = {n: [] for n in wire.ActedTogetherReply.model_fields}
    # Named by its client it is one request, and its records are many.
    each = replace(recorder, named=None)
    looked = list({one.id: one for one in request.alarms}.values())
    for piece in _pieces(looked, AT_ONCE):
        outcomes = await asyncio.gather(*(_done(one, request, each) for one in piece))
        for one, outcome in zip(piece, outcomes, strict=True):
            found[outcome].append(one.id)
    return wire.ActedTogetherReply(**found)


async def _done(one: wire.LookedAt, request: wire.ActionsRequest, recorder: Recorder) -> str:
    said = request.model_dump(exclude={"alarms"}, exclude_none=True)
    said |= {} if one.returns is None else {"returns": one.returns}
    try:
        made = await recorded(one.id, wire.ActionRequest(**said), recorder)
    except (AlarmMoved, AlarmOver):
        return "moved"
    except UnknownRecord:
        return "unknown"
    return "unchanged" if made is None else "done"


def _pieces(looked: Sequence[wire.LookedAt], size: int) -> Collection[Sequence[wire.LookedAt]]:
    return [looked[k : k + size] for k in range(0, len(looked), size)]
