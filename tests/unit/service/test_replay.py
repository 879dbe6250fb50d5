"""What a recorded answer lacks: what no reply told then, or what that answer did not say."""

from __future__ import annotations

import json
from typing import Any

import pytest

from ifonly.service.audit.replay import differences, newer_members
from ifonly.service.wire import examples
from ifonly.service.wire.replies import ExplanationReply


def reply() -> ExplanationReply:
    return ExplanationReply.model_validate_json(json.dumps(examples.EXPLANATION.reply))


def recorded() -> dict[str, Any]:
    written: dict[str, Any] = json.loads(reply().model_dump_json(by_alias=True))
    return written


def test_a_record_of_today_lacks_nothing() -> None:
    assert list(newer_members((), recorded(), reply())) == []


def test_a_member_that_every_reply_has_is_newer_than_a_record_without_it() -> None:
    before = recorded()
    del before["semantics"]
    del before["counterfactuals"][1]["rank"]
    del before["counterfactuals"][0]["actions"][0]["from"]
    assert set(newer_members((), before, reply())) == {
        ("semantics",),
        ("counterfactuals", 1, "rank"),
        ("counterfactuals", 0, "actions", 0, "from"),
    }


def test_one_that_a_reply_may_leave_out_is_not() -> None:
    before = recorded()
    del before["counterfactuals"][0]["actions"][0]["sufficient_range"]
    assert list(newer_members((), before, reply())) == []


def test_an_answer_of_another_shape_is_no_older_one() -> None:
    before = recorded() | {"counterfactuals": []}
    assert list(newer_members((), before, reply())) == []


@pytest.mark.parametrize(
    ("was", "now", "is_one"),
    [
        (1506.9480608770784, 1506.9480608770782, True),
        (1506.9480608770784, 1506.9480608781, True),
        (1506.9480608770784, 1506.94806088, False),
        (0.0, 1e-300, False),
        (5, 6, False),
        (10**15, 10**15 + 1, False),
        (1384, 1384.0000000000002, True),
        (True, 1.0, True),
        (1.0, "1.0", False),
        (None, 0.0, False),
    ],
)
def test_numbers_that_differ_by_how_sums_are_rounded_are_one(
    was: Any, now: Any, is_one: bool
) -> None:
    assert (list(differences(("a",), was, now)) == []) is is_one
