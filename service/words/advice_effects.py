"""Whom advice helps and what policies come to, in words."""

from __future__ import annotations

from ifonly.explainers.causal.cate import EffectCalibration, LikeRow
from ifonly.explainers.causal.estimand import Estimate
from ifonly.explainers.causal.evidence import Evidence
from ifonly.explainers.causal.panel import PanelEffect
from ifonly.explainers.causal.policy_value import PolicyValue
from ifonly.explainers.wording import Language
from ifonly.explainers.wording.numerals import count, figure, percentage
from ifonly.models.schema import Labels, Schema
from ifonly.service.words.catalogue import in_each, say
from ifonly.service.words.evidence import amount, band, named
from ifonly.service.words.labels import label, label_or


def like_row(found: LikeRow, evidence: Evidence, schema: Schema) -> Labels:
    """An average over machines that read like one, or why there is none."""
    feature = schema[evidence.feature]

    def told(language: Language) -> str:
        moved = {
            "feature": label(feature, language),
            "before": band(feature, evidence.before, language),
            "after": band(feature, evidence.after, language),
            "outcome": label_or(evidence.outcome, language, evidence.outcome["en"]),
        }
        if found.estimate is not None:
            low, high = found.estimate.interval
            return say(
                "like_row.told",
                language,
                **moved,
                size=amount(found.estimate.value, is_share=evidence.is_share),
                low=amount(low, is_share=evidence.is_share),
                high=amount(high, is_share=evidence.is_share),
            )
        if found.outside:
            names = ", ".join(named(name, schema, language) for name in found.outside)
            return say("like_row.outside", language, names=names)
        share = percentage(max(found.propensity, 1.0 - found.propensity))
        side = "after" if found.propensity > 0.5 else "before"
        return say("like_row.one_sided", language, share=share, band=moved[side], **moved)

    return in_each(told)


def calibration(found: EffectCalibration) -> Labels:
    """Whether predicted differences between rows are found again."""

    def told(language: Language) -> str:
        interval = found.slope_interval
        if found.slope is None or interval is None:
            return say("calibration.alike", language)
        key = "found" if found.is_calibrated else "off"
        ends = figure(found.slope), figure(interval[0]), figure(interval[1])
        return say(
            f"calibration.{key if found.tells_apart else 'lost'}",
            language,
            slope=ends[0],
            low=ends[1],
            high=ends[2],
        )

    return in_each(told)


def policy(found: PolicyValue, *, is_share: bool) -> Labels:
    """What it would have come to beside what was done."""

    def told(language: Language) -> str:
        if found.value is None or found.gain is None:
            worth = count(round(found.worth))
            return say(
                "policy.unknown",
                language,
                policy=found.policy,
                matched=count(found.matched),
                worth=worth,
            )
        return say(
            "policy.told",
            language,
            policy=found.policy,
            value=level(found.value.value, is_share=is_share),
            **_ends(found.gain, is_share=is_share),
        )

    return in_each(told)


def panel(found: PanelEffect, outcome: str, *, is_share: bool) -> Labels:
    """What the change did, and what that rests on."""

    def told(language: Language) -> str:
        low, high = found.effect.interval
        said = say(
            "panel.told",
            language,
            units=count(found.effect.units),
            outcome=outcome,
            size=amount(found.effect.value, is_share=is_share),
            low=amount(low, is_share=is_share),
            high=amount(high, is_share=is_share),
        )
        trend = found.trend
        if trend.p_value is None:
            return said + say("panel.no_times", language)
        key = "apart" if trend.p_value < 0.05 else "alike"
        said += say(f"panel.{key}", language, times=count(trend.times), p=figure(trend.p_value, 2))
        if trend.undone_by is not None:
            said += say("panel.undone", language, factor=figure(trend.undone_by, 2))
        return said

    return in_each(told)


def level(value: float, *, is_share: bool) -> str:
    """A mean outcome."""
    return percentage(value) if is_share else figure(value, 4)


def _ends(found: Estimate, *, is_share: bool) -> dict[str, str]:
    low, high = found.interval
    shown = [amount(x, is_share=is_share) for x in (found.value, low, high)]
    return dict(zip(("gain", "low", "high"), shown, strict=True))
