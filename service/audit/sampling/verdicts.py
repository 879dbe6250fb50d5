"""What auditors' last words on sampled explanations come to."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import Literal

from ifonly.service.audit.sampling.hypergeometric import interval, most_wrong
from ifonly.service.store.chain import Record
from ifonly.service.store.explanations import VERDICTS
from ifonly.service.store.withdrawals import in_force
from ifonly.service.wire import samples as wire
from ifonly.service.words import sampling as words

Judged = Literal["approve", "reject"]


@dataclass(frozen=True, slots=True)
class Word:
    """On one explanation."""

    verdict: Judged | None
    comments: int


def words_on(identities: Iterable[str], said: Iterable[Record]) -> Mapping[str, Word]:
    """``said``: reviews that stand, oldest first. Each auditor's last word on each answer counts;
    one rejection rejects."""
    last: dict[str, dict[tuple[str, object], str]] = defaultdict(dict)
    comments: Counter[str | None] = Counter()
    for record in in_force(said):
        facts = record.facts
        if facts.status == "comment":
            comments[facts.about] += 1
        if facts.status in VERDICTS and facts.about is not None:
            last[facts.about][facts.actor, (facts.detail or {}).get("rank")] = facts.status
    return {each: Word(_of(last[each].values()), comments[each]) for each in identities}


def _of(verdicts: Iterable[str]) -> Judged | None:
    given = set(verdicts)
    if "reject" in given:
        return "reject"
    return "approve" if "approve" in given else None


@dataclass(frozen=True, slots=True)
class SamplingDemand:
    """What a plan is to show."""

    population: int
    size: int
    confidence: Fraction
    accept: int = 0
    tolerable_rate: Fraction | None = None

    @property
    def tolerable(self) -> int | None:
        """Of the population, how many may be wrong."""
        rate = self.tolerable_rate
        return None if rate is None else int(rate * self.population)


def planned(demand: SamplingDemand) -> wire.Planned:
    """What the sample would show, were no more rejected than are accepted."""
    accept = min(demand.accept, demand.size)
    most = most_wrong(accept, demand.size, demand.population, demand.confidence)
    return wire.Planned(
        population=demand.population,
        size=demand.size,
        confidence=float(demand.confidence),
        accept=accept,
        tolerable_rate=None if demand.tolerable_rate is None else float(demand.tolerable_rate),
        at_most=_bound(most, demand.population),
        text=dict(words.planned(demand.population, demand.size, accept, most, demand.confidence)),
    )


def result(demand: SamplingDemand, found: Sequence[Word]) -> wire.SampleResult:
    """What the verdicts so far show."""
    rejected = sum(word.verdict == "reject" for word in found)
    approved = sum(word.verdict == "approve" for word in found)
    judged, of = rejected + approved, demand.population
    left = demand.size - judged
    ends = interval(rejected, demand.size, of, demand.confidence, left)
    most = most_wrong(rejected + left, demand.size, of, demand.confidence)
    met = _is_met(demand, rejected, left)
    return wire.SampleResult(
        judged=judged,
        approved=approved,
        rejected=rejected,
        commented=sum(word.comments > 0 for word in found),
        wrong=wire.WrongRange(
            low=ends.low, high=ends.high, low_share=ends.low / of, high_share=ends.high / of
        ),
        at_most=_bound(most, of),
        met=met,
        text=dict(
            words.result(
                words.SampleOutcome(of, demand.size, judged, rejected, ends.low, ends.high, most),
                demand.confidence,
                demand.tolerable_rate,
                met,
            )
        ),
    )


def _is_met(demand: SamplingDemand, rejected: int, left: int) -> bool | None:
    if demand.tolerable_rate is None:
        return None
    # By the rule that was fixed beforehand: a bound that happens to be met otherwise is no answer.
    if rejected > demand.accept:
        return False
    return True if rejected + left <= demand.accept else None


def _bound(count: int, of: int) -> wire.WrongBound:
    return wire.WrongBound(count=count, share=count / of)
