"""What a recorded answer claims and how it is known, in plain words.

Read from the record as it is: an answer that an older version gave may lack what newer ones say.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from ifonly.explainers.wording import Language
from ifonly.explainers.wording.numerals import count, exact_percentage, figure, percentage
from ifonly.models.schema import Labels
from ifonly.service.served.causal_model import Semantics
from ifonly.service.words import stability
from ifonly.service.words.catalogue import in_each, say, say_all
from ifonly.service.words.labels import label_or

Answer = Mapping[str, Any]
_ENDS = (("≥", "min"), ("≤", "max"))


def in_words(answer: Answer, request: Answer) -> list[Labels]:
    """One sentence each; none for what is no explanation. ``request``: what was asked."""
    return list(_sentences(answer, request)) if "counterfactuals" in answer else []


def _sentences(answer: Answer, request: Answer) -> Iterator[Labels]:
    # By words of the record, not by the enumeration: an old record may say what it has no more.
    match answer["status"]:
        case "optimal" | "feasible":
            yield from _found(answer, request)
        case "infeasible":
            yield say_all("claimed.nothing_allowed")
        case "already_target":
            yield say_all("claimed.without_change")
        case "abstained":
            chance, later = (
                answer.get(f"chance_{of}") for of in ("under_this_model", "when_carried_out")
            )
            if later is not None and chance is not None and later < chance:
                yield stability.unsure(later)
            else:
                yield _too_unsure(chance)
        case _:
            yield say_all("claimed.nothing_found")
    confirmed = confirmed_in_words(answer)
    if confirmed is not None:
        yield confirmed
    yield from _decided(answer.get("causal") or {})
    for doubt in answer.get("doubts") or ():
        yield _as_recorded(doubt["text"])
    yield _effort(answer)
    calls = answer.get("work", {}).get("calls")
    if calls is not None:
        key = "calls_spent" if calls["spent"] else "calls"
        yield say_all(f"claimed.{key}", most=count(calls["most"]))
    if answer.get("deadline_hit"):
        # What is proven stays proven: the time ended what came after it.
        proven = answer["status"] in ("optimal", "infeasible")
        key = f"claimed.cut_{answer['status']}" if proven else "claimed.cut"
        yield say_all(key, milliseconds=count(answer["work"]["deadline_ms"]))


def is_past(answer: Answer) -> bool:
    """Whether it tells of another past: nothing in it was set, and nothing is advice."""
    # Records older than causal models do not say.
    return answer.get("semantics") == Semantics.BACKTRACKING


def confirmed_in_words(answer: Answer) -> Labels | None:
    """Who confirmed it besides our own model file; None where nobody else is named, and in
    older records."""
    told = answer.get("confirmation") or {}
    if told.get("predictor") is None:
        return None
    key = "not_confirmed" if told["by"] == "copy" else f"confirmed_{told['says']}"
    return say_all(
        f"claimed.{key}",
        predictor=told["predictor"],
        rows=count(told["rows"]),
        why=told["why"] or "",
    )


def demands(answer: Answer, *, robust: bool, tag: Language) -> str:
    """What an answer had to meet besides the rules, as it stands behind (in English) or before
    "allowed change": proofs speak of changes that meet it alone. Empty where nothing is demanded.
    ``robust``: whether it had to survive the declared tolerances."""
    target = answer.get("target") or {}
    asked = target.get("probability") or {}
    ends = [f"{sign} {exact_percentage(asked[k])}" for sign, k in _ENDS if asked.get(k) is not None]
    if not ends:
        return say("demands.tolerances", tag) if robust else ""
    labels = answer["counterfactuals"][0]["prediction"].get("label") or {}
    of = label_or(labels, tag, target.get("class") or "")
    key = "demands.both" if robust else "demands.probability"
    return say(key, tag, of=of, demanded=", ".join(ends))


def _found(answer: Answer, request: Answer) -> Iterator[Labels]:
    found = answer["counterfactuals"]
    # An older answer does not say: then the request alone demanded it.
    asked = (request.get("constraints") or {}).get("robust")
    robust = bool((answer.get("target") or {}).get("robust", asked))
    demanded = in_each(lambda tag: demands(answer, robust=robust, tag=tag))
    for counterfactual in found:
        yield from _cost(counterfactual, demanded, several=len(found) > 1)
    for counterfactual in found:
        if counterfactual.get("joint_box"):
            yield _as_recorded(counterfactual["joint_box"]["text"])
    for way in answer.get("ways") or ():
        yield _way(way)
    if answer.get("menu"):
        yield _as_recorded(answer["menu"]["text"])
    is_here = answer.get("work", {}).get("calls") is None
    yield say_all("claimed.verified" if is_here else "claimed.verified_elsewhere")
    if any(counterfactual.get("rests_on_rounding") for counterfactual in found):
        yield say_all("claimed.rests_on_rounding")
    # Assurance is told of the first: it is what would be done.
    for counterfactual in found[:1]:
        if counterfactual.get("assurance"):
            yield _assurance(counterfactual["assurance"])
            # Older records do not say how strong hidden causes may be.
            if any("held" in tie for tie in counterfactual["assurance"]["hidden_causes"]):
                yield say_all("claimed.assurance_hidden")
            if counterfactual["assurance"].get("graphs"):
                yield say_all("claimed.assurance_graphs")
            then = counterfactual["assurance"].get("when_carried_out")
            if then:
                yield stability.claimed(then.get("after"), then.get("unit"), then["chance"])


def _cost(found: Answer, demanded: Labels, *, several: bool) -> Iterator[Labels]:
    rank, bound, gap = found["rank"], found.get("lower_bound"), found.get("gap")
    cost, enumerated = figure(found["cost"]), found.get("enumerated_changes")

    def told(key: str, **values: str) -> Labels:
        return in_each(
            lambda tag: say(
                key,
                tag,
                which=say("claimed.rank", tag, rank=rank) if several else "",
                others=say("claimed.other_levers", tag) if rank > 1 else "",
                demands=demanded[tag],
                **values,
            )
        )

    # Only a gap of exactly 0 is a proof.
    if gap == 0:
        yield told("claimed.cheapest", cost=cost)
        return
    yield told("claimed.costs", cost=cost)
    if enumerated:
        key = "claimed.enumerated_one" if enumerated == 1 else "claimed.enumerated"
        yield say_all(key, features=enumerated)
    if bound is not None and gap is not None:
        yield told("claimed.bounded", bound=figure(bound), gap=percentage(gap))
    # An enumeration is a statement of its own, so "not proven" is said only without it.
    elif not enumerated:
        yield say_all("claimed.not_proven")


def _way(way: Answer) -> Labels:
    said = _as_recorded(way["text"])
    return in_each(
        lambda tag: say("claimed.way", tag, name=say(f"ways.{way['name']}", tag), said=said[tag])
    )


def _assurance(said: Answer) -> Labels:
    return say_all(
        "claimed.assurance",
        chance=percentage(said["chance_under_this_model"]),
        errors=percentage(said["survives_sensor_errors"]),
    )


def _decided(causal: Answer) -> Iterator[Labels]:
    """What of the graph decides that nothing is answered, or something dearer."""
    for graph in causal.get("graphs") or ():
        if graph["name"] == causal.get("deciding_graph"):
            yield say_all("claimed.decided")
            yield _as_recorded(graph["text"])
            yield _as_recorded(graph["settled_by"])


def _too_unsure(chance: float | None) -> Labels:
    share = "" if chance is None else f" ({percentage(chance)})"
    return say_all("claimed.too_unsure", share=share)


def _as_recorded(text: Mapping[str, str]) -> Labels:
    """A recorded sentence: where a reader's language was not asked for, in one that was."""
    return in_each(lambda tag: text.get(tag) or next(iter(text.values()), ""))


def _effort(answer: Answer) -> Labels:
    work, provenance = answer["work"], answer["provenance"]
    return say_all(
        "claimed.effort",
        engine=provenance["engine"],
        seed=provenance["seed"],
        rows=count(work["rows"]),
        runs=count(work["runs"]),
    )
