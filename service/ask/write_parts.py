"""Parts that replies of every kind are made of: predictions, settings, constraints, the target."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from decimal import Decimal
from typing import Literal

from ifonly.explainers.answer import Action, Blocker, Effect, Prediction, Work
from ifonly.explainers.constraints import Source
from ifonly.explainers.problem import Problem
from ifonly.explainers.wording import DEFAULT_LANGUAGES
from ifonly.models.schema import Feature, Kind, Labels, Task
from ifonly.models.window import ChannelProfile, Window, channels_in, parts_of, window_of
from ifonly.service.ask.problems import pointer
from ifonly.service.ask.what_if import OffGridValue
from ifonly.service.errors import Path
from ifonly.service.served.causal_model import Semantics
from ifonly.service.served.registry import ServedModel
from ifonly.service.settings import ifonly_version
from ifonly.service.wire import replies as wire
from ifonly.service.words.catalogue import chosen
from ifonly.service.words.labels import label_or


class PartWriter:
    """Writes what is told of one model, in some languages."""

    def __init__(self, model: ServedModel, languages: Sequence[str] = DEFAULT_LANGUAGES) -> None:
        self._model = model
        # A language that is named twice is written once, in the order of the request.
        self._languages = tuple(dict.fromkeys(languages))

    # --- who answered, and at what price ---------------------------------------------------

    def reference(self) -> wire.ModelReference:
        deployed = self._model.deployed
        return wire.ModelReference(
            model=deployed.name,
            version=deployed.version,
            model_sha256=deployed.model_sha256,
            spec_sha256=deployed.spec_sha256,
            predictor=None if deployed.has_copy else self._model.asked_at,
            # A graph that nobody has accepted took no part in the answer.
            causal_sha256=deployed.causal_sha256 if self._model.causal else None,
            ifonly_version=ifonly_version(),
        )

    def provenance(self, work: Work, seed: int) -> wire.Provenance:
        """Which model was asked, and what searched."""
        return wire.Provenance(
            **self.reference().model_dump(),
            engine=work.engine,
            engine_version=ifonly_version(),
            seed=seed,
        )

    def work(self, work: Work, deadline_ms: int, times: wire.Times) -> wire.Work:
        """What the search cost."""
        return wire.Work(
            rows=work.rows,
            runs=work.runs,
            nodes=work.nodes,
            deadline_ms=deadline_ms,
            rejected=list(work.rejected),
            times=times,
            calls=self.calls(work),
        )

    def calls(self, work: Work) -> wire.Calls | None:
        """How the search was limited, where the model is only in another process."""
        if self._model.deployed.has_copy or self._model.predictor is None:
            return None
        return wire.Calls(most=self._model.predictor.remote.calls, spent=work.is_spent)

    # --- what was read, set and asked ------------------------------------------------------

    def prediction(self, prediction: Prediction) -> wire.Prediction:
        decision, scores = self._model.decision, prediction.scores
        name = label = probability = probabilities = None
        if prediction.decided >= 0:
            decided = decision.classes[prediction.decided]
            name, label = decided.name, self.text(decided.labels, decided.name)
        if decision.task is Task.REGRESSION:
            return wire.Prediction(
                class_=name, label=label, score=scores[0], unit=decision.unit or None
            )
        if decision.task is Task.MULTICLASS:
            probability = scores[prediction.decided]
            probabilities = dict(zip(decision.class_names, scores, strict=True))
        elif prediction.decided == decision.positive:
            probability = scores[0]
        else:
            probability = 1.0 - scores[0]
        return wire.Prediction(
            class_=name, label=label, probability=probability, probabilities=probabilities
        )

    def action(self, action: Action) -> wire.Action:
        feature = self._model.schema.features[action.column]
        window = window_of(self._model.schema)
        profile = None if window is None else window.profile_at(action.column)
        return wire.Action(
            feature=feature.name,
            profile=None if window is None or profile is None else profile_of(window, profile),
            label=self.text(feature.labels, feature.name),
            from_=feature.write(action.factual),
            to=feature.write(action.counterfactual),
            delta=delta(feature, action.factual, action.counterfactual),
            unit=feature.unit,
            sufficient_range=_range(feature, action.sufficient_range),
        )

    def constraint(self, constraint: Blocker) -> wire.Constraint:
        """The constraint, or what the target demands, by name and in words; its pointer if a
        request brought it."""
        origin = constraint.origin
        return wire.Constraint(
            source=origin.source.value,
            key=origin.key,
            # Only the request's own: a pointer into the policy would lead nowhere in the body.
            pointer=pointer(self.path(constraint)) if origin.source is Source.REQUEST else None,
            features=list(self._features(sorted(constraint.columns))),
            text={tag: self._model.wording.constraint(constraint, tag) for tag in self._languages},
            why={tag: origin.why[tag] for tag in self._languages if tag in origin.why},
        )

    def _features(self, columns: Sequence[int]) -> Iterable[str]:
        """Of a window the channels of the columns."""
        names = [self._model.schema.names[j] for j in columns]
        return names if window_of(self._model.schema) is None else channels_in(names)

    def path(self, constraint: Blocker) -> Path:
        """Where in its request a constraint stands: keys end in a feature's name or an index."""
        part, _, rest = constraint.origin.key.partition(".")
        if part != "constraints":
            return (part, rest) if part == "target" else (part,)
        section, _, last = rest.partition(".")
        if window_of(self._model.schema) is not None and section != "rules":
            # It names a channel, and was read of its columns.
            return (part, section) if last.isdecimal() else (part, section, parts_of(last)[0])
        if last in self._model.schema:
            return (part, section, last)
        return (part, section, *((int(last),) if last.isdecimal() else ()))

    def asked_target(self, problem: Problem, semantics: Semantics) -> wire.AskedTarget:
        target, survives = problem.target, problem.survives
        # JSON has no infinity (RFC 8259, 6).
        ends = [None if math.isinf(end) else end for end in (target.lower, target.upper)]
        bounds = None if ends == [None, None] else wire.AskedProbability(min=ends[0], max=ends[1])
        by_policy = target.origin.source is Source.POLICY
        source: Literal["policy", "request"] = "policy" if by_policy else "request"
        robust_source: Literal["policy", "request"] = "policy"
        # What the policy demands, and is not demanded, a request has lifted.
        is_past = semantics is Semantics.BACKTRACKING
        demanded = self._model.policy.demands_survival(target) and not is_past
        lifted = survives is None and demanded
        if lifted or (survives is not None and survives.origin.source is Source.REQUEST):
            robust_source = "request"
        wanted, names = target.wanted, self._model.decision.class_names
        return wire.AskedTarget(
            class_=None if wanted is None else names[wanted],
            probability=None if wanted is None else bounds,
            score=bounds if wanted is None else None,
            source=source,
            robust=survives is not None,
            robust_source=robust_source,
        )

    def effect(self, effect: Effect) -> wire.Effect:
        schema = self._model.schema
        feature = schema.features[effect.column]
        return wire.Effect(
            feature=feature.name,
            label=self.text(feature.labels, feature.name),
            from_=feature.write(effect.factual),
            to=feature.write(effect.counterfactual),
            delta=delta(feature, effect.factual, effect.counterfactual),
            unit=feature.unit,
            via=[schema.names[j] for j in effect.via],
        )

    def off_grid(self, found: OffGridValue) -> wire.OffGrid:
        feature = self._model.schema.features[found.column]
        assert feature.resolution is not None
        return wire.OffGrid(
            feature=feature.name,
            value=_number(found.value, whole=found.value.is_integer()),
            unit=feature.unit,
            resolution=number(feature.resolution),
            nearest=[_number(v, whole=feature.resolution % 1 == 0) for v in found.nearest],
        )

    def text(self, labels: Labels, fallback: str) -> dict[str, str]:
        return {tag: label_or(labels, tag, fallback) for tag in self._languages}

    def assumptions(self, *taken: Labels) -> list[dict[str, str]]:
        return [chosen(text, self._languages) for text in taken]


def profile_of(window: Window, profile: ChannelProfile) -> wire.ActionProfile:
    return wire.ActionProfile(
        channel=window.channels[profile.channel].name,
        shape=profile.shape.value,
        from_=str(window.back(profile.steps)),
        steps=profile.steps,
    )


def delta(feature: Feature, before: float, after: float) -> float | int | None:
    """``after - before`` in the decimals that the wire carries: -7.5, never -7.499999."""
    if feature.kind.is_categorical or math.isnan(before) or math.isnan(after):
        return None
    return number(Decimal(repr(after)) - Decimal(repr(before)))


def number(decimal: Decimal) -> float | int:
    """A decimal as JSON's shortest number: whole ones without a point."""
    return int(decimal) if decimal == decimal.to_integral_value() else float(decimal)


def _number(value: float, *, whole: bool) -> float | int:
    return int(value) if whole else value


def _range(feature: Feature, interval: tuple[float, float] | None) -> list[float | int] | None:
    if interval is None or feature.kind.is_categorical:
        return None
    whole = feature.kind is Kind.INTEGER
    return [_number(end, whole=whole) for end in interval]
