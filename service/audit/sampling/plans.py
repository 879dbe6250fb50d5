"""Sampling plans: made once, recorded with what was drawn, drawn again by whoever doubts it.

All that a plan says is in its record's detail: it is sealed, and never erased. Only its comment is
a payload.
"""

from __future__ import annotations

import json
import secrets
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import Any, Self

from ifonly.service.audit import records
from ifonly.service.audit.sampling.drawing import ReviewPopulation, digest_of, drawn
from ifonly.service.audit.sampling.hypergeometric import least_size
from ifonly.service.audit.sampling.verdicts import SamplingDemand
from ifonly.service.errors import Fault, InvalidRequest, RequestPart
from ifonly.service.store import populations
from ifonly.service.store.chain import DAY_US, Facts, microseconds, now_us
from ifonly.service.store.database import Database
from ifonly.service.store.kinds import RecordKind
from ifonly.service.wire import samples as wire

DRAWN = "drawn"
"""Status of a plan's record."""
PERIOD_US = 30 * DAY_US
SEED_BYTES = 16


@dataclass(frozen=True)
class SamplingPlan:
    """What a plan's record says."""

    population: ReviewPopulation
    count: int
    sha256: str
    """Of the population's ids."""
    seed: str
    sample: tuple[str, ...]
    """Ids, in the order in which they were drawn."""
    confidence: Fraction
    accept: int = 0
    tolerable_rate: Fraction | None = None
    """None: the size was said, not a rule."""

    @property
    def demand(self) -> SamplingDemand:
        return SamplingDemand(
            self.count, len(self.sample), self.confidence, self.accept, self.tolerable_rate
        )

    def detail(self) -> dict[str, Any]:
        """As the record has it: no fractions, which have no one spelling."""
        said: dict[str, Any] = {
            "population": {**self.population.said(), "size": self.count, "sha256": self.sha256},
            "seed": self.seed,
            "sample": list(self.sample),
            "confidence": _decimal(self.confidence),
        }
        if self.tolerable_rate is not None:
            rule = {"tolerable_rate": _decimal(self.tolerable_rate), "accept": self.accept}
            said["rule"] = rule
        return said

    @classmethod
    def read(cls, facts: Facts) -> Self:
        """Of a record.

        Raises
        ------
        ValueError, KeyError, TypeError
            If it is no plan.
        """
        said: Any = facts.detail
        of, rule = said["population"], said.get("rule")
        return cls(
            ReviewPopulation.read(of),
            of["size"],
            of["sha256"],
            said["seed"],
            tuple(said["sample"]),
            Fraction(said["confidence"]),
            0 if rule is None else rule["accept"],
            None if rule is None else Fraction(rule["tolerable_rate"]),
        )


def _decimal(share: Fraction) -> str:
    """A share that came as a decimal, as that."""
    return repr(float(share))


def exact(share: float) -> Fraction:
    """The decimal that was written: 0.95 is 19/20, and no binary fraction beside it."""
    return Fraction(repr(share))


def looked_at(request: wire.SampleRequest) -> ReviewPopulation:
    """The population that a request means, without its end in the chains.

    Raises
    ------
    InvalidRequest
        If a time is none, the period is empty, or it is not over yet.
    """
    now = now_us()
    until = records.time_of("until", request.until)
    since = records.time_of("since", request.since)
    until = now + 1 if until is None else until
    # What is still to come would be in the population later, and was not to be drawn.
    if until > now + 1:
        raise _refused("until", request.until, "until is in the future: a sample is of what was")
    since = max(until - PERIOD_US, 0) if since is None else since
    if since >= until:
        raise _refused("since", request.since, "since is not before until: the period is empty")
    return ReviewPopulation(since, until, request.model, request.status, request.group)


def _refused(name: str, value: object, problem: str, limit: object = None) -> InvalidRequest:
    return InvalidRequest(RequestPart.REQUEST, [Fault((name,), problem, value, limit=limit)])


def plan(database: Database, request: wire.SampleRequest) -> SamplingPlan:
    """Fix the population and draw. Reads every explanation of the period.

    Raises
    ------
    InvalidRequest
        If there is nothing to draw from, too much, or no sample so small shows what is demanded.
    StoreUnavailable, StoreDamaged
        If the store cannot be read.
    """
    asked = looked_at(request)
    # Read first: what is appended while the period is read is not in the population.
    ends = populations.ends(database)
    members = _members(database, asked, ends)
    if not members:
        raise _refused("since", request.since, "no explanation is as asked for: nothing to draw")
    identities = [identity for identity, _ in members]
    chains = sorted({writer for _, writer in members})
    fixed = ReviewPopulation(
        asked.since_us,
        asked.until_us,
        asked.model,
        asked.status,
        asked.group,
        {writer: ends[writer] for writer in chains},
    )
    size = sized(request, len(identities))
    seed = request.seed or secrets.token_hex(SEED_BYTES)
    rule = request.rule
    return SamplingPlan(
        fixed,
        len(identities),
        digest_of(identities),
        seed,
        drawn(seed, identities, size),
        exact(request.confidence),
        0 if rule is None else rule.accept,
        None if rule is None else exact(rule.tolerable_rate),
    )


def counted(database: Database, request: wire.SampleRequest) -> int:
    """How many explanations the population has, without drawing; raises as :func:`plan`."""
    return len(_members(database, looked_at(request), populations.ends(database)))


def _members(database: Database, of: ReviewPopulation, ends: Any) -> list[tuple[str, str]]:
    """Id and chain of each."""
    most = wire.MAX_POPULATION
    found = populations.count(database, of.model, of.since_us, of.until_us, most + 1)
    if found > most:
        problem = (
            f"the period has more than {most:,} explanations, the most of one sample: shorten it, "
            "or name a model"
        )
        raise _refused("since", None, problem, most)
    return [
        (record.facts.id, record.writer)
        for record in populations.explained(database, of.model, of.since_us, of.until_us)
        if record.sequence <= ends.get(record.writer, 0) and of.would_have(record.facts)
    ]


def sized(request: wire.SampleRequest, population: int) -> int:
    """How many are to be drawn of so many.

    Raises
    ------
    InvalidRequest
        If the rule cannot be met by a sample of what a person looks at.
    """
    rule = request.rule
    if rule is None:
        assert request.size is not None
        return min(request.size, population)
    tolerable = int(exact(rule.tolerable_rate) * population)
    if rule.accept > tolerable:
        problem = (
            f"accept is {rule.accept}, and the tolerable rate allows {tolerable} wrong ones among "
            f"{population:,}"
        )
        raise _refused("rule", rule.accept, problem, tolerable)
    size = least_size(population, tolerable, rule.accept, exact(request.confidence))
    if size > wire.MAX_SIZE:
        problem = (
            f"the rule needs a sample of {size:,}; the most is {wire.MAX_SIZE:,}: take a greater "
            "tolerable rate, fewer accepted ones or less confidence"
        )
        raise _refused("rule", size, problem, wire.MAX_SIZE)
    return min(size, population)


def again(plan_: SamplingPlan, members: Iterable[str]) -> wire.RedrawReply:
    """Whether the sample comes out once more; ``members``: ids of the population as it is now."""
    now = sorted(members)
    sample = set(drawn(plan_.seed, now, len(plan_.sample)))
    was = set(plan_.sample)
    same = digest_of(now) == plan_.sha256 and len(now) == plan_.count
    return wire.RedrawReply(
        holds=same and sample == was,
        population=len(now),
        population_was=plan_.count,
        same_population=same,
        missing=sorted(was - sample)[:100],
        added=sorted(sample - was)[:100],
    )


def redrawn(database: Database, plan_: SamplingPlan) -> wire.RedrawReply:
    """Draw from what is recorded now.

    Raises
    ------
    StoreUnavailable, StoreDamaged
        If the store cannot be read.
    """
    of = plan_.population
    found = populations.explained(database, of.model, of.since_us, of.until_us)
    return again(plan_, (r.facts.id for r in found if of.has(r.writer, r.sequence, r.facts)))


def redrawn_from(plan_: SamplingPlan, lines: Iterable[bytes]) -> wire.RedrawReply:
    """Draw from an export (JSON lines), without any store."""
    return again(plan_, _ids(plan_.population, lines))


def facts_of(said: Mapping[str, Any]) -> Facts:
    """What a line of an export says of itself, as far as samples go by it."""
    return Facts(
        kind=RecordKind(said["kind"]),
        id=said["id"],
        time_us=microseconds(said["time"]),
        actor=said["actor"],
        status=said.get("status"),
        model=said.get("model"),
        detail=said.get("detail"),
    )


def _ids(of: ReviewPopulation, lines: Iterable[bytes]) -> Sequence[str]:
    found = []
    for line in lines:
        said = json.loads(line)
        if said["kind"] == RecordKind.EXPLANATION:
            facts = facts_of(said)
            if "findings" not in said and of.has(said["writer"], said["sequence"], facts):
                found.append(facts.id)
    return found
