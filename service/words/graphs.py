"""Graphs that may be the true one instead of the accepted one, in words."""

from __future__ import annotations

from collections.abc import Iterator

from ifonly.explainers.causal import CausalSpec
from ifonly.explainers.causal.alternatives import GraphDoubt
from ifonly.explainers.causal.spec import Alternative
from ifonly.explainers.causal.which_graphs import ChangeKind
from ifonly.explainers.wording import Language
from ifonly.explainers.wording.numerals import count, figure, percentage
from ifonly.models.schema import Labels
from ifonly.service.words.catalogue import in_each, say, say_all
from ifonly.service.words.labels import label

MAIN_GRAPH = say_all("possible.main")
MAIN_ALONE = say_all("possible.main_alone")
TIME_BY_MAIN = say_all("possible.time_by_main")


def differs(spec: CausalSpec, other: Alternative) -> Labels:
    """What is otherwise in it."""
    return in_each(lambda tag: say("possible.may_be", tag, what=_what(spec, other, tag)))


def settled_by(spec: CausalSpec, other: Alternative) -> Labels:
    """What would show whether it is the true one."""
    return in_each(lambda tag: _settled(spec, other, tag))


def reason(doubt: GraphDoubt) -> Labels:
    """Why rows cannot exclude it, or do."""
    weighed, runs = doubt.weighed, doubt.runs
    if doubt.change.kind is ChangeKind.HIDDEN:
        return say_all("possible.reason_hidden", strength=percentage(weighed.strength))
    if runs is not None:
        shares = {"so": percentage(runs.so), "turned": percentage(runs.turned)}
        key = "reason_added" if doubt.change.kind is ChangeKind.ADDED else "reason_runs"
        return say_all(f"possible.{key}", runs=count(runs.runs), **shares)
    low, high = (weighed.gain + sign * 2.0 * weighed.error for sign in (-1.0, 1.0))
    key = "likelier" if low > 0.0 else "open" if weighed.kept else "excluded"
    numbers = {"gain": weighed.gain, "low": low, "high": high}
    return say_all(f"possible.reason_{key}", **{k: figure(v) for k, v in numbers.items()})


def assumed(spec: CausalSpec, other: Alternative, is_held: bool) -> Labels:
    """That it may be the true one, and what that means for an answer."""
    return _told("possible.held" if is_held else "possible.light", spec, other)


def not_asked(spec: CausalSpec, other: Alternative) -> Labels:
    """That it may be the true one, and that what is shown does not go by it."""
    return _told("possible.told", spec, other)


def undecided(spec: CausalSpec, other: Alternative, chance: float, by_main: float) -> Labels:
    """That it decides that nothing is answered."""
    return _told(
        "possible.undecided", spec, other, chance=percentage(chance), main=percentage(by_main)
    )


def dearer(spec: CausalSpec, other: Alternative, cost: float) -> Labels:
    """That without it something cheaper would do."""
    return _told("possible.dearer", spec, other, cost=figure(cost))


def _told(key: str, spec: CausalSpec, other: Alternative, **values: str) -> Labels:
    return in_each(
        lambda tag: say(
            key,
            tag,
            weight=percentage(other.weight),
            what=_what(spec, other, tag),
            settle=_settled(spec, other, tag),
            **values,
        )
    )


def _what(spec: CausalSpec, other: Alternative, tag: Language) -> str:
    said = (
        say(f"possible.{kind}", tag, a=_called(spec, a, tag), b=_called(spec, b, tag))
        for kind, a, b in _changes(other)
    )
    return say("possible.and", tag).join(said)


def _settled(spec: CausalSpec, other: Alternative, tag: Language) -> str:
    said = (
        say(f"possible.settle_{kind}", tag, a=_called(spec, a, tag), b=_called(spec, b, tag))
        for kind, a, b in _changes(other)
    )
    return " ".join(dict.fromkeys(said))


def _called(spec: CausalSpec, node: str, tag: Language) -> str:
    # A node that is no feature has no label.
    own = label(spec.schema[node], tag) if node in spec.schema else node
    return say("assumption.cause", tag, label=own)


def _changes(other: Alternative) -> Iterator[tuple[str, str, str]]:
    """Each difference: its kind, and the two nodes, first the cause by the main graph."""
    added = list(other.add)
    hidden = {frozenset(c.between): c.between for c in other.confounders}
    for cause, effect in other.remove:
        if (effect, cause) in added:
            added.remove((effect, cause))
            yield "reversed", cause, effect
        elif hidden.pop(frozenset((cause, effect)), None):
            yield "hidden", cause, effect
        else:
            yield "absent", cause, effect
    for cause, effect in added:
        yield "added", cause, effect
    for a, b in hidden.values():
        yield "shared", a, b
