"""An exported answer is checked whole: real ones hold, and a number that is changed is found."""

from __future__ import annotations

import copy
import re
from collections import Counter
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from ifonly.explainers.verify.exported import check_answer
from ifonly.explainers.verify.sections import Section
from ifonly.service.doors.cli.verify import _checked
from tests.support.answered import Answered, served

KINDS = (
    "independent", "interventional", "backtracking", "robust", "by rule", "by probability",
    "already there", "regression", "by policy", "multi-class",
)  # fmt: skip
STATUSES = {
    "by rule": "infeasible", "by probability": "infeasible", "by policy": "infeasible",
    "already there": "already_target",
}  # fmt: skip


def checked(of: Answered, reply: dict[str, Any], *, with_request: bool = True) -> list[Section]:
    """As ``ifonly verify`` does it."""
    return _checked(served(of.folder).deployed, reply, of.request if with_request else None)


def broken(sections: list[Section]) -> list[str]:
    return [f"{s.title}: {c.name}: {c.says}" for s in sections for c in s.checks if not c.holds]


@pytest.mark.parametrize("kind", KINDS)
def test_every_check_of_a_real_answer_holds(answers: dict[str, Answered], kind: str) -> None:
    found = answers[kind]
    assert found.reply["status"] == STATUSES.get(kind, "optimal")
    if found.reply["status"] == "infeasible":
        assert found.reply["relaxation"]
    sections = checked(found, found.reply)
    assert broken(sections) == []
    told = {s.title for s in sections}
    assert {"documents", "question", "claim"} <= told
    assert len(found.reply["counterfactuals"]) == len([t for t in told if "counterfactual" in t])


@pytest.mark.parametrize("kind", [k for k in KINDS if k not in STATUSES or "by" in k])
def test_it_holds_too_where_the_request_is_not_at_hand(
    answers: dict[str, Answered], kind: str
) -> None:
    found = answers[kind]
    assert broken(checked(found, found.reply, with_request=False)) == []


@pytest.mark.parametrize("kind", ["independent", "by rule"])
def test_answers_are_of_their_own_question(answers: dict[str, Answered], kind: str) -> None:
    found = answers[kind]
    others = (
        {"seed": 3}, {"semantics": "backtracking"},
        {"instance": {**found.request["instance"], "torque": 62.5}},
        {"target": {"class": "normal", "probability": {"min": 0.5}}},
    )  # fmt: skip
    for other in others:
        asked = Answered(found.folder, {**found.request, **other}, found.reply)
        assert broken(checked(asked, found.reply)), other


# --- one number at a time --------------------------------------------------------------------

UNSEEN = {
    r"^work\.": "counts of the search's work, of which rows say nothing",
    r"enumerated_changes": "rests on the search's enumeration",
    r"assurance\.(survives|extrapolates|hidden)": "estimates by the engines, no demands",
    r"^best_prediction": "the best that can be reached is the search's proof; no row is published",
    r"^causal\.": "what causal.toml says of itself, shown again; its digest is checked",
    r"^assumptions": "words",
    r"^(id|audit)": "the audit trail's own chain holds these",
    r"ifonly_version|engine": "who answered, not what",
    r"^provenance\.(model|version)$": "names; the digests say which folder it was",
    r"^deadline_hit": "of the clock",
    r"(^|\.)text\.|\.label|\.unit|\.why|\.pointer": "words; tested where they are made",
    r"verified": "a constant",
    r"^target\.(robust_)?source": "who asked; what was asked is checked",
    r"blocked_by\.\d+\.(source|features)": "follow from the key, which is checked",
    r"lifted\.(source|features)": "follow from the key, which is checked",
}  # fmt: skip
"""What a checker of rows cannot see, or need not, and why."""

Change = Callable[[Any], list[Any]]


def leaves(part: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[tuple[Any, ...], Any]]:
    if isinstance(part, dict):
        for key, value in part.items():
            yield from leaves(value, (*path, key))
    elif isinstance(part, list):
        for k, value in enumerate(part):
            yield from leaves(value, (*path, k))
    else:
        yield path, part


def otherwise(value: Any) -> list[Any]:
    """Other values that might stand there."""
    if isinstance(value, bool):
        return [not value]
    if isinstance(value, int | float):
        return [value + 1, value - 1, value + 1e-3 * max(1.0, abs(value)), value - 1e-3, -value - 2]
    if value is None:
        return [0.5]
    return [f"{value}x", ""]


def with_value(reply: dict[str, Any], path: tuple[Any, ...], value: Any) -> dict[str, Any]:
    changed = copy.deepcopy(reply)
    part: Any = changed
    for key in path[:-1]:
        part = part[key]
    part[path[-1]] = value
    return changed


def is_found(of: Answered, reply: dict[str, Any]) -> bool:
    try:
        return bool(broken(checked(of, reply)))
    except ValueError:  # NotAnAnswer: exit code 2
        return True


@pytest.mark.parametrize("kind", KINDS)
def test_whatever_is_changed_in_a_reply_is_found_or_listed_with_why_it_cannot_be(
    answers: dict[str, Answered], kind: str
) -> None:
    found = answers[kind]
    seen = Counter[bool]()
    missed = []
    for path, value in leaves(found.reply):
        dotted = ".".join(map(str, path))
        if any(re.search(pattern, dotted) for pattern in UNSEEN):
            continue
        for other in otherwise(value):
            if other == value or is_weaker(found.reply, path, other):
                continue
            is_seen = is_found(found, with_value(found.reply, path, other))
            seen[is_seen] += 1
            if not is_seen and "sufficient_range" not in path:  # ENDS
                missed.append((dotted, value, other))
    assert missed == []
    assert seen[True] > 20


ENDS = "an end that is farther out and holds as well; that all between hold is the engine's word"


def is_weaker(reply: dict[str, Any], path: tuple[Any, ...], other: Any) -> bool:
    """Whether the reply then claims less, and still truly: a shorter range, an end of a target
    that the answer's own request does not have."""
    if "sufficient_range" not in path:
        return False
    setting: Any = reply
    for key in path[:-2]:
        setting = setting[key]
    low, high = setting["sufficient_range"]
    return bool(low <= other <= setting["to"] if path[-1] == 0 else setting["to"] <= other <= high)


@pytest.mark.parametrize("status", ["optimal", "feasible", "infeasible", "unknown", "abstained",
                                    "already_target", "sure"])  # fmt: skip
@pytest.mark.parametrize("kind", ["independent", "by rule", "already there"])
def test_a_status_that_the_answer_does_not_bear_is_found(
    answers: dict[str, Answered], kind: str, status: str
) -> None:
    found = answers[kind]
    weaker = found.reply["status"] == "infeasible" and status in ("unknown", "abstained")
    if found.reply["status"] == "already_target" and status in ("unknown", "abstained"):
        weaker = True
    if found.reply["status"] == "already_target" and status == "infeasible":
        weaker = True  # nothing allowed flips what needs no flip: no row at hand says otherwise
    if status != found.reply["status"] and not weaker:
        assert is_found(found, found.reply | {"status": status})


def test_an_effect_that_is_not_told_and_an_action_that_is_none_are_found(
    answers: dict[str, Answered],
) -> None:
    found = answers["interventional"]
    first = found.reply["counterfactuals"][0]
    assert first["effects"]
    doubled = first["actions"] * 2
    pathless = [{**effect, "via": []} for effect in first["effects"]]
    changes: list[dict[str, Any]] = [
        {"effects": []}, {"actions": []}, {"actions": doubled}, {"effects": pathless},
    ]  # fmt: skip
    for change in changes:
        reply = copy.deepcopy(found.reply)
        reply["counterfactuals"][0] |= change
        assert is_found(found, reply), change


def test_an_answer_that_a_further_one_beats_is_found_to_contradict_itself(
    answers: dict[str, Answered],
) -> None:
    """Put in another order, the second is claimed to be the cheapest and the first is cheaper."""
    reply = copy.deepcopy(answers["interventional"].reply)
    one, two = reply["counterfactuals"][:2]
    one["rank"], two["rank"] = 2, 1
    reply["counterfactuals"][:2] = [two, one]
    told = broken(checked(answers["interventional"], reply))
    assert any("claim: cheapest" in line for line in told), told


def test_without_its_request_a_limit_of_the_request_is_no_contradiction(
    answers: dict[str, Answered],
) -> None:
    """Rows seen in service may be cheaper and break only what the request said."""
    found = answers["robust"]
    assert broken(checked(found, found.reply, with_request=False)) == []


def test_the_section_question_says_whether_the_request_was_at_hand(
    answers: dict[str, Answered],
) -> None:
    found, model = answers["independent"], served(answers["independent"].folder)
    for request, word in ((found.request, "at hand"), (None, "not given")):
        sections = check_answer(
            found.reply, request, model.rulebook, model.deployed.predictor.score
        )
        (question,) = (s for s in sections if s.title == "question")
        (said,) = (c.says for c in question.checks if c.name == "request")
        assert word in said
