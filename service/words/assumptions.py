"""What an answer takes for granted, in words. Every reply prints it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from ifonly.explainers.causal import CausalSpec
from ifonly.explainers.causal.spec import Confounder
from ifonly.explainers.constraints import Survives
from ifonly.explainers.wording import Language
from ifonly.explainers.wording.numerals import figure
from ifonly.models.schema import Feature, Labels, Schema, plain
from ifonly.service.words.catalogue import in_each, say, say_all
from ifonly.service.words.labels import label

# Said at import: a key that a language lacks keeps the process from starting.
NOTHING_FOLLOWS = say_all("assumption.nothing_follows")
MOVED_ALONE = say_all("assumption.moved_alone")
PROFILES = say_all("assumption.profiles")
DECISION_NOT_OUTCOME = say_all("assumption.decision_not_outcome")
THIS_MACHINE = say_all("assumption.this_machine")
ANY_MACHINE = say_all("assumption.any_machine")
ANOTHER_PAST = say_all("assumption.another_past")
SMALLEST_BY_POLICY = say_all("assumption.smallest_by_policy")
PREDICTION_IS_EXACT = say_all("assumption.prediction_is_exact")
AT_REST_BEFORE = say_all("assumption.at_rest_before")
NO_HIDDEN_CAUSE = say_all("assumption.no_hidden_cause")
SAME_WHEN_SET = say_all("assumption.same_when_set")


def survives(asked: Survives, schema: Schema) -> Labels:
    """Which readings the answer was proven to survive."""
    # Features without a tolerance are left out: ±0 would read as a sensor without error.
    own = [(f, off) for f, off in zip(schema.features, asked.tolerances, strict=True) if off]

    def listed(language: Language) -> str:
        return ", ".join(f"{label(f, language)} ±{plain(off)} {f.unit}".rstrip() for f, off in own)

    return in_each(lambda tag: say("assumption.survives", tag, listed=listed(tag)))


def follows(spec: CausalSpec, column: int) -> Labels:
    """From what the feature follows directly, by the graph."""
    features = spec.schema.features
    causes = [features[i] for i in spec.graph.parents[column]]

    def told(language: Language) -> str:
        return say(
            "assumption.follows",
            language,
            effect=label(features[column], language),
            causes=_all(causes, language),
        )

    return in_each(told)


def _all(causes: list[Feature], language: Language) -> str:
    named = (say("assumption.cause", language, label=label(c, language)) for c in causes)
    return say("assumption.and", language).join(named)


def known_mechanism(spec: CausalSpec, column: int) -> Labels:
    """How it follows is known."""
    effect = spec.schema.features[column]
    key = "assumption.known_mechanism"
    return in_each(lambda tag: say(key, tag, effect=label(effect, tag)))


def hidden_causes(spec: CausalSpec, moved: Sequence[int]) -> Iterator[Labels]:
    """How strong each declared hidden cause of an edge to one of ``moved`` may be."""
    features, edges = spec.schema.features, spec.graph.edges
    for tie in spec.hidden:
        a, b = map(spec.schema.index, tie.between)
        cause, effect = (a, b) if (a, b) in edges else (b, a)
        if (cause, effect) in edges and effect in moved:
            yield _hidden_cause(tie, features[cause], features[effect])


def _hidden_cause(tie: Confounder, cause: Feature, effect: Feature) -> Labels:
    low, high = tie.correlations
    key = "assumption.hidden_cause" if tie.is_bounded else "assumption.hidden_cause_unbounded"
    return in_each(
        lambda tag: say(
            key,
            tag,
            cause=say("assumption.cause", tag, label=label(cause, tag)),
            effect=say("assumption.cause", tag, label=label(effect, tag)),
            low=figure(low),
            high=figure(high),
        )
    )
