"""What is known of the real outcome, in words."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np

from ifonly.explainers.answer import Action
from ifonly.explainers.causal.effect import LeftOut, Mark
from ifonly.explainers.causal.estimand import Strategy
from ifonly.explainers.causal.evidence import Evidence
from ifonly.explainers.causal.instrument import WEAK
from ifonly.explainers.causal.sensitivity import Sensitivity
from ifonly.explainers.wording import Language
from ifonly.explainers.wording.numerals import count, figure, percentage
from ifonly.models.schema import Feature, Labels, Schema, plain
from ifonly.service.served.causal_model import ServedCausal
from ifonly.service.wire import causal as wire
from ifonly.service.words.catalogue import chosen, in_each, say
from ifonly.service.words.labels import label, label_or


def known_of(causal: ServedCausal | None, actions: Sequence[Action]) -> tuple[Evidence, ...]:
    """Of doing ``actions`` and nothing else."""
    # Evidence is of one feature that was moved: of two at once it says nothing.
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
            text=chosen(text, languages),
            feature=evidence.feature,
            before=evidence.before,
            after=evidence.after,
            estimand=evidence.estimand,
            effect=evidence.effect,
            interval=evidence.interval,
            strategy=evidence.strategy,
            through=list(evidence.through),
            first_stage=evidence.first_stage,
            sensitivity=_sensitivity(evidence.sensitivity),
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
    size, low, high = (
        amount(x, is_share=evidence.is_share) for x in (evidence.effect, *evidence.interval)
    )

    def told(language: Language) -> str:
        return say(
            "evidence.effect",
            language,
            whom=_whom(evidence, schema, language),
            feature=label(feature, language),
            before=band(feature, evidence.before, language),
            after=band(feature, evidence.after, language),
            outcome=label_or(evidence.outcome, language, evidence.outcome["en"]),
            size=size,
            low=low,
            high=high,
            rows=count(evidence.rows),
            held=_through(evidence, schema, language) + _held(evidence, schema, language),
            doubt=_doubt(evidence, schema, language),
        )

    return in_each(told)


def _sensitivity(found: Sensitivity | None) -> wire.EffectSensitivity | None:
    if found is None:
        return None
    worst, tied = found.worst, found.e_value
    return wire.EffectSensitivity(
        robustness_value=found.robustness,
        robustness_value_interval=found.robustness_of_interval,
        e_value=None if tied is None else tied.estimate,
        e_value_interval=None if tied is None else tied.interval,
        strongest=None if worst is None else worst.covariate,
        left_by_strongest=None if worst is None else worst.left,
    )


def _doubt(evidence: Evidence, schema: Schema, language: Language) -> str:
    """What would undo the effect; nothing of evidence that was attached before it was told."""
    found = evidence.sensitivity
    if found is None:
        return ""
    said = []
    if evidence.first_stage is not None:
        key = "doubt.weak" if evidence.first_stage < WEAK else "doubt.strong"
        said.append(say(key, language, f=figure(evidence.first_stage, 3)))
    through = _listed(evidence.through, schema, language)
    key = "doubt.hidden_through" if through else "doubt.hidden"
    said.append(say(key, language, all=percentage(found.robustness), through=through))
    if found.robustness_of_interval > 0.0:
        said.append(say("doubt.interval", language, share=percentage(found.robustness_of_interval)))
    else:
        said.append(say("doubt.already", language))
    if found.worst is not None:
        name = named(found.worst.covariate, schema, language)
        left = amount(found.worst.left, is_share=evidence.is_share)
        said.append(say("doubt.benchmark", language, name=name, left=left))
    if found.e_value is not None:
        tied = figure(found.e_value.estimate, 3), figure(found.e_value.interval, 3)
        said.append(say("doubt.e_value", language, all=tied[0], interval=tied[1]))
    return "".join(said)


def named(column: str, schema: Schema, language: Language) -> str:
    """A column, by its label where the model reads it."""
    # Effects may be adjusted for columns that the model does not read: they have no label.
    return label(schema[column], language) if column in schema else column


def whom(evidence: Evidence, schema: Schema) -> Labels:
    """Whose average effect it is, and who was left out of it."""
    feature = schema[evidence.feature]

    def told(language: Language) -> str:
        parts = [
            say(
                f"estimand.{evidence.estimand}",
                language,
                **_counts(evidence),
                through=_listed(evidence.through, schema, language),
                feature=label(feature, language),
            )
        ]
        for left_out in evidence.left_out:
            ends = evidence.after if left_out.treated else evidence.before
            parts.append(
                say(
                    "estimand.left_out",
                    language,
                    rows=count(left_out.rows),
                    feature=label(feature, language),
                    band=band(feature, ends, language),
                    marks=_marks(left_out, schema, language),
                )
            )
        return "".join(parts)

    return in_each(told)


def _whom(evidence: Evidence, schema: Schema, language: Language) -> str:
    """As :func:`whom`, in a few words."""
    through = _listed(evidence.through, schema, language)
    return say(
        f"estimand.short_{evidence.estimand}", language, **_counts(evidence), through=through
    )


def _counts(evidence: Evidence) -> dict[str, str]:
    return {
        "rows": count(evidence.rows),
        "treated": count(evidence.treated),
        "trimmed": percentage(evidence.trimmed),
    }


def _marks(left_out: LeftOut, schema: Schema, language: Language) -> str:
    said = [_mark(mark, schema, language) for mark in left_out.marks]
    return say("estimand.marks", language, marks="; ".join(said)) if said else ""


def _mark(mark: Mark, schema: Schema, language: Language) -> str:
    name, level = mark.covariate.name, mark.covariate.level
    shown = named(name, schema, language)
    if level:
        numbers = percentage(mark.left_out), percentage(mark.kept)
        return say(
            "estimand.mark_category",
            language,
            name=shown,
            level=level,
            left_out=numbers[0],
            kept=numbers[1],
        )
    unit = schema[name].unit if name in schema else ""
    numbers = f"{figure(mark.left_out)} {unit}".rstrip(), f"{figure(mark.kept)} {unit}".rstrip()
    return say("estimand.mark", language, name=shown, left_out=numbers[0], kept=numbers[1])


def _held(evidence: Evidence, schema: Schema, language: Language) -> str:
    """What was alike in the rows that were compared."""
    if not evidence.adjusted_for:
        return ""
    return say("evidence.held", language, features=_listed(evidence.adjusted_for, schema, language))


def _through(evidence: Evidence, schema: Schema, language: Language) -> str:
    """What tells it where no readings close the back door."""
    if evidence.strategy is Strategy.BACK_DOOR:
        return ""
    key = f"evidence.{evidence.strategy}"
    return say(key, language, features=_listed(evidence.through, schema, language))


def _listed(columns: Sequence[str], schema: Schema, language: Language) -> str:
    return ", ".join(named(name, schema, language) for name in columns)


def amount(value: float, *, is_share: bool) -> str:
    """An effect, with its sign."""
    # Of weak instruments the interval may have no end.
    if not np.isfinite(value):
        return "+∞" if value > 0.0 else "-∞"
    # %p: a share that rises by 2 percentage points does not rise by 2 %.
    if is_share:
        return f"{100.0 * value:+.1f} %p"
    return f"{value:+.4g}"


def band(feature: Feature, ends: tuple[float, float], language: Language) -> str:
    """A range of settings, or a category."""
    if feature.kind.is_categorical:
        category = feature.categories[int(ends[0])]
        return say("evidence.category", language, label=label(category, language))
    # Plain digits: these are settings to read off, not estimates to round.
    low, high = (plain(end) for end in ends)
    numbers = low if low == high else say("evidence.band", language, low=low, high=high)
    return f"{numbers} {feature.unit}".rstrip()
