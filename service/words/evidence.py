"""What is known of the real outcome, in words."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from explainers.answer import Action
from explainers.causal.evidence import Evidence
from models.schema import Feature, Labels, Schema, plain
from service.served.causal_model import ServedCausal
from service.wire import causal as wire


def known_of(causal: ServedCausal | None, actions: Sequence[Action]) -> tuple[Evidence, ...]:
    """Of doing ``actions`` and nothing else."""
    if causal is None or len(actions) != 1:
        return ()
    (done,) = actions
    name = causal.spec.schema.names[done.column]
    return tuple(e for e in causal.evidence if e.covers(name, done.factual, done.counterfactual))


def written(
    found: Sequence[Evidence], schema: Schema, languages: Sequence[str]
) -> Iterator[wire.EffectEvidence]:
    for evidence in found:
        text = in_words(evidence, schema)
        yield wire.EffectEvidence(
            text={tag: text[tag] for tag in languages},
            feature=evidence.feature,
            before=evidence.before,
            after=evidence.after,
            effect=evidence.effect,
            interval=evidence.interval,
            rows=evidence.rows,
            trimmed=evidence.trimmed,
            adjusted_for=list(evidence.adjusted_for),
            refutations=[
                wire.Refutation(name=r.name, value=r.value, limit=r.limit)
                for r in evidence.refutations
            ],
            data_sha256=evidence.data_sha256,
            estimated_at=evidence.estimated_at,
            attached_by=evidence.attached_by,
        )


def in_words(evidence: Evidence, schema: Schema) -> Labels:
    """An average over machines, and so it is said."""
    feature = schema[evidence.feature]
    size, *ends = (_amount(x, evidence) for x in (evidence.effect, *evidence.interval))

    def fixed(language: str) -> str:
        labels = (
            schema[name].label(language) if name in schema else name
            for name in evidence.adjusted_for
        )
        return ", ".join(labels)

    held = {"en": "", "ko": ""}
    if evidence.adjusted_for:
        held["en"] = f" Compared were rows alike in: {fixed('en')}."
        held["ko"] = f" 다음이 비슷한 것끼리 비교했습니다: {fixed('ko')}."
    label = {tag: evidence.outcome.get(tag, evidence.outcome["en"]) for tag in ("en", "ko")}
    return {
        "en": f"Of the real outcome this is known: where the {feature.label('en')} was "
        f"{_band(feature, evidence.after, 'en')} rather than "
        f"{_band(feature, evidence.before, 'en')}, {label['en']} differed by {size} on average "
        f"(95 % interval {ends[0]} to {ends[1]}; {evidence.rows:,} rows).{held['en']} "
        "It rests on the same graph, and is no statement about this one machine.",
        "ko": f"실제 결과에 대해 알려진 것: '{feature.label('ko')}' 값이 "
        f"{_band(feature, evidence.before, 'ko')}일 때보다 "
        f"{_band(feature, evidence.after, 'ko')}일 때 '{label['ko']}'의 차이는 평균 {size}"
        f"였습니다(95 % 신뢰 구간 {ends[0]} ~ {ends[1]}, {evidence.rows:,}건).{held['ko']} "
        "같은 인과 그래프에 근거하며, 이 설비 한 대에 관한 것이 아닙니다.",
    }


def _amount(value: float, evidence: Evidence) -> str:
    if evidence.is_share:
        return f"{100.0 * value:+.1f} %p"
    return f"{value:+.4g}"


def _band(feature: Feature, ends: tuple[float, float], language: str) -> str:
    if feature.kind.is_categorical:
        category = feature.categories[int(ends[0])]
        return f"'{category.labels.get(language, category.name)}'"
    low, high = (plain(end) for end in ends)
    numbers = low if low == high else f"{low} to {high}" if language == "en" else f"{low}~{high}"
    return f"{numbers} {feature.unit}".rstrip()
