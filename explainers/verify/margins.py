"""How sure an action is: margins by the plausible versions of each graph, and what is demanded."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence

from ifonly.explainers.verify.drafts import CheckDraft, ScoredRows, WorldCount
from ifonly.explainers.verify.reading import NEAR
from ifonly.explainers.verify.report import (
    Check,
    GraphMargins,
    LaterShares,
    mixture,
    share_in_target,
)
from ifonly.explainers.verify.what_follows import WhatFollows

Margins = list[list[Sequence[float]]]
"""By graph, and by group of its plausible versions."""


def margins_of(draft: CheckDraft, said: ScoredRows) -> tuple[Margins, Margins]:
    """See :attr:`Report.margins`; of each graph, and each group of its plausible versions; and
    the same of when the action is carried out, where something is drawn anew."""
    # Nothing follows from this action: its only version is the row itself.
    if not draft.worlds:
        return [[said.margins[:1]]], []
    graphs, later, at = Margins(), Margins(), 1
    for world in draft.worlds:
        for found, counts, is_asked in (
            (graphs, world.counts, world.is_asked),
            (later, world.later, world.is_later_asked),
        ):
            if not is_asked:
                found.append(found[0])
                continue
            groups = list[Sequence[float]]()
            for told, lost in counts:
                groups.append([*said.margins[at : at + told], *[-math.inf] * lost])
                at += told
            found.append(groups)
    return graphs, later if draft.worlds[0].later else []


def certain(worlds: Sequence[WorldCount], graphs: Margins, follows: WhatFollows) -> Check:
    """Mean less ``gamma`` standard deviations of the margin over plausible versions, and the
    share of them that flips (Karimi et al. 2020, eq. 8): the least of all groups, and of all
    graphs that are held; where some are not, the share over all by weight, too."""
    held = [g for w, g in zip(worlds, graphs, strict=True) if w.world.is_held]
    chance = min(share_in_target(margins) for groups in held for margins in groups)
    lower = min(lower_bound(margins, follows.gamma) for groups in held for margins in groups)
    # The engines add in another order, and must not be refused for that.
    holds = lower >= -NEAR and chance >= follows.floor
    says = f"margin {lower:.6g} at least 0, chance {chance:.4g}"
    if len(held) < len(worlds):
        each = [min(map(share_in_target, groups)) for groups in graphs]
        mixed = mixture(each, [w.world.weight for w in worlds])
        holds = holds and mixed >= follows.floor
        says += f", over all graphs {mixed:.4g}"
    return Check("certainty", holds, says)


def certain_later(worlds: Sequence[WorldCount], later: Margins, follows: WhatFollows) -> Check:
    """The share of draws that flips when the action is carried out: the least of all groups and
    of all graphs that are held; where some are not, over all by weight, too."""
    each = [min(map(share_in_target, groups)) for groups in later]
    # A draw within the rounding of the limit may be on either side of it.
    least = follows.floor - 1.0 / min(len(m) for groups in later for m in groups)
    held = [c for w, c in zip(worlds, each, strict=True) if w.world.is_held]
    holds, says = min(held) >= least, f"when carried out, chance {min(held):.4g}"
    if len(held) < len(worlds):
        mixed = mixture(each, [w.world.weight for w in worlds])
        holds = holds and mixed >= least
        says += f", over all graphs {mixed:.4g}"
    return Check("certainty", holds, says)


def by_graph(
    worlds: Sequence[WorldCount],
    graphs: Margins,
    follows: WhatFollows,
) -> Iterator[GraphMargins]:
    """The margins of each graph, by its worst group."""
    for found, groups in zip(worlds, graphs, strict=True):
        lower = min(lower_bound(each, follows.gamma) for each in groups)
        yield GraphMargins(found.world.name, found.world.weight, worst(groups), lower)


def chances(groups: Sequence[Sequence[float]]) -> LaterShares:
    """Of the worst group: at least, as it is, and at most, were margins off by rounding."""
    least = worst(groups)
    low, high = (sum(m >= off for m in least) / len(least) for off in (NEAR, -NEAR))
    return LaterShares(low, share_in_target(least), high)


def worst(groups: Sequence[Sequence[float]]) -> tuple[float, ...]:
    """Of groups of plausible versions the one by which fewest flip."""
    return tuple(groups[min(range(len(groups)), key=lambda k: share_in_target(groups[k]))])


def lower_bound(margins: Sequence[float], gamma: float) -> float:
    """Their mean less ``gamma`` standard deviations; -inf where a version cannot be told."""
    if -math.inf in margins:
        return -math.inf
    # `fsum` is exact but for one rounding, so the order of versions does not matter.
    mean = math.fsum(margins) / len(margins)
    deviation = math.fsum((m - mean) * (m - mean) for m in margins) / max(1, len(margins) - 1)
    return mean - gamma * math.sqrt(deviation)
