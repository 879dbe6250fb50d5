"""What does not stay until a remedy is carried out, in words."""

from __future__ import annotations

from collections.abc import Iterator

from ifonly.explainers.causal import CausalSpec
from ifonly.explainers.causal.noise_stability import NodeStability, NoiseStability
from ifonly.explainers.wording import Language, is_language
from ifonly.explainers.wording.numerals import figure, percentage
from ifonly.models.schema import Feature, Labels
from ifonly.service.words.catalogue import in_each, say, say_all
from ifonly.service.words.labels import label
from ifonly.service.words.time import duration, length


def flips(stability: NoiseStability, chance: float, tag: str) -> str:
    """How sure an answer is when it is carried out."""
    assert is_language(tag)
    return say("stability.flips", tag, when=_when(stability, tag), chance=percentage(chance))


def claimed(after: float | None, unit: str | None, chance: float) -> Labels:
    """The same, as a record has it."""

    def told(tag: Language) -> str:
        when = say("stability.later", tag)
        if after is not None and unit is not None:
            when = say("stability.after", tag, time=length(after, unit, tag))
        said = say("stability.claimed", tag, when=when, chance=percentage(chance))
        return said[:1].upper() + said[1:]

    return in_each(told)


def unsure(chance: float) -> Labels:
    """That nothing is sure enough when it is carried out."""
    return say_all("stability.unsure", chance=percentage(chance))


def assumed(spec: CausalSpec) -> Iterator[Labels]:
    """How much of the noise of each feature is taken to stay."""
    stability = spec.stability
    if stability is None:
        return
    for feature in spec.schema.features:
        own = stability.nodes.get(feature.name)
        if own is not None:
            yield _assumed(stability, own, feature)
    yield in_each(lambda tag: say("stability.rest", tag, when=_when(stability, tag)))


def _assumed(stability: NoiseStability, own: NodeStability, feature: Feature) -> Labels:
    def told(tag: Language) -> str:
        given = {
            "when": _when(stability, tag),
            "label": label(feature, tag),
            "rho": figure(own.rho),
        }
        if own.interval is None:
            said = say("stability.node_known", tag, **given)
        else:
            low, high = map(figure, own.interval)
            said = say("stability.node", tag, **given, low=low, high=high)
        if not own.redrawn:
            return said
        return say("stability.node_redrawn", tag, said=said, share=percentage(own.redrawn))

    return in_each(told)


def _when(stability: NoiseStability, tag: Language) -> str:
    if stability.after is None:
        return say("stability.later", tag)
    return say("stability.after", tag, time=duration(stability.after, tag))
