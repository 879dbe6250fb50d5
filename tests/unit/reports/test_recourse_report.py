"""What a report counts, and how it is compared by group."""

from __future__ import annotations

import csv
import io
from typing import Any

import pytest

from ifonly.models.schema import Category, Feature, Kind
from ifonly.service.audit.recourse_by_group import table
from ifonly.service.audit.recourse_by_group.cases import LeverChange, RecourseCase
from ifonly.service.audit.recourse_by_group.compare import ShareComparison
from ifonly.service.audit.recourse_by_group.groups import MAX_GROUPS, by_attribute, by_feature
from ifonly.service.audit.recourse_by_group.report import ReviewVerdict, report

QUALITY = Feature(
    "quality", Kind.ORDINAL, categories=(Category("L", {"ko": "하급"}), Category("H"))
)
TORQUE = Feature("torque", Kind.CONTINUOUS, unit="Nm")
HEAT_RULE = ("policy.rules.0", {"en": "heat stays above 6 K", "ko": "6 K 이상"})


def case(number: int, status: str, **said: Any) -> RecourseCase:
    return RecourseCase(f"id-{number}", status, said.pop("policy", "p"), **said)


CASES = (
    case(
        1,
        "optimal",
        cost=1.0,
        levers=(LeverChange("torque", "Nm", -5.0),),
        instance={"quality": "L"},
    ),
    case(
        2,
        "optimal",
        cost=3.0,
        levers=(LeverChange("torque", "Nm", -7.0), LeverChange("quality", "", None)),
    ),
    case(
        3,
        "feasible",
        cost=2.0,
        levers=(LeverChange("torque", "Nm", 2.0),),
        instance={"quality": "H"},
    ),
    case(4, "infeasible", blocked_by=(HEAT_RULE,), instance={"quality": "L"}),
    case(5, "infeasible", blocked_by=(HEAT_RULE, ("policy.x", {})), instance={"quality": "L"}),
    case(6, "already_target", instance={"quality": "H"}),
    case(7, "unknown", instance={"quality": "H"}),
    case(8, "infeasible", erased=True),
)


def test_what_needs_no_change_is_in_no_share() -> None:
    total = report(CASES, (), ()).total
    assert (total.asked, total.already, total.undecided) == (8, 1, 1)
    assert (total.success.count, total.success.of) == (3, 7)
    assert (total.infeasible.count, total.infeasible.of) == (3, 7)
    assert (total.proven.count, total.proven.of) == (5, 7)
    assert total.cost is not None
    assert (total.cost.of, total.cost.value) == (3, 2.0)


def test_levers_and_rules_are_counted_by_answer() -> None:
    made = report(CASES, (), ())
    torque, quality = made.levers
    assert (torque.feature, torque.use.count, torque.use.of) == ("torque", 3, 3)
    assert (torque.up, torque.down, torque.median_change) == (1, 2, -5.0)
    assert (quality.up, quality.down, quality.median_change) == (0, 0, None)
    heat, other = made.blockers
    assert (heat.key, heat.blocks.count, heat.blocks.of) == ("policy.rules.0", 2, 2)
    assert (other.blocks.count, made.erased) == (1, 1)


def test_a_rule_is_counted_by_what_it_says_wherever_requests_have_it() -> None:
    """In a list of a request the same rule has one key in the first place and another later."""
    torque = {"en": "the torque cannot be changed", "ko": "토크는 변경할 수 없음"}
    speed = {"en": "the speed cannot be changed"}
    made = report(
        [
            case(1, "infeasible", blocked_by=(("freeze.0", torque), ("freeze.1", speed))),
            case(2, "infeasible", blocked_by=(("freeze.0", speed), ("freeze.1", torque))),
            case(3, "infeasible", blocked_by=(("freeze.0", {"ko": torque["ko"]}),)),
            case(4, "infeasible", blocked_by=(("freeze.0", torque), ("policy.0", torque))),
        ],
        (),
        (),
    )
    found = [(dict(b.text), b.blocks.count, b.blocks.of) for b in made.blockers]
    assert found == [(torque, 4, 4), (speed, 2, 4)]


def test_the_last_word_of_each_kind_counts() -> None:
    said = [
        ReviewVerdict("id-1", "approve"),
        ReviewVerdict("id-1", "reject"),
        ReviewVerdict("id-1", "acted", "as_predicted"),
        ReviewVerdict("id-2", "approve"),
        ReviewVerdict("id-2", "comment"),
        ReviewVerdict("id-3", "acted", "as_predicted"),
        ReviewVerdict("id-3", "acted", "not_as_predicted"),
        ReviewVerdict("of another period", "reject"),
    ]
    verdicts = report(CASES, (), said).verdicts
    assert (verdicts.approved, verdicts.rejected, verdicts.open) == (1, 1, 6)
    assert (verdicts.acted, verdicts.as_predicted, verdicts.not_as_predicted) == (2, 1, 1)


def test_categories_are_groups_in_their_order_and_what_has_none_is_the_last() -> None:
    found = by_feature(CASES, QUALITY)
    assert [(g.key, len(g.cases)) for g in found] == [("L", 3), ("H", 3), ("", 2)]
    assert {"en": "L", "ko": "하급"}.items() <= found[0].label.items()
    assert report(CASES, found, ()).groups[0].infeasible.count == 2


def test_numbers_are_grouped_by_quarters_each_in_one() -> None:
    cases = [case(k, "optimal", instance={"torque": float(k)}) for k in range(1, 9)]
    found = by_feature([*cases, case(99, "optimal")], TORQUE)
    assert [len(g.cases) for g in found] == [2, 2, 2, 2, 1]
    assert found[0].label["en"] == "1 to 2 Nm"
    second = {"en": "above 2 to 4 Nm", "ko": "2 초과 ~ 4 Nm"}
    assert second.items() <= found[1].label.items()


def test_a_reading_that_is_always_the_same_is_one_group() -> None:
    cases = [case(k, "optimal", instance={"torque": 5.0}) for k in range(9)]
    (only,) = by_feature(cases, TORQUE)
    assert (only.label["en"], len(only.cases)) == ("5 Nm", 9)


def test_attributes_group_by_size_and_the_many_small_ones_go_together() -> None:
    names = ["night"] * 3 + ["day"] * 2 + [f"line {k:02}" for k in range(MAX_GROUPS)]
    cases = [case(k, "optimal", attributes={"shift": name}) for k, name in enumerate(names)]
    found = by_attribute(cases, "shift")
    assert [g.key for g in found[:2]] == ["night", "day"]
    assert (len(found), found[-1].key) == (MAX_GROUPS, "…")
    assert sum(len(g.cases) for g in found) == len(cases)


def shifts(**success: tuple[int, int]) -> list[RecourseCase]:
    """Cases of shifts, of each so many of so many with recourse."""
    return [
        case(k, "optimal" if k < found else "infeasible", attributes={"shift": name})
        for name, (found, of) in success.items()
        for k in range(of)
    ]


def comparison(**success: tuple[int, int]) -> ShareComparison:
    cases = shifts(**success)
    return report(cases, by_attribute(cases, "shift"), ()).comparison


def test_groups_differ_though_their_intervals_overlap() -> None:
    cases = shifts(day=(22, 22), night=(25, 31))
    made = report(cases, by_attribute(cases, "shift"), ())
    by_key = {group.key: group.success for group in made.groups}
    assert by_key["night"].high > by_key["day"].low, "which was once taken for no difference"
    (pair,) = made.comparison.pairs
    assert (pair.high.key, pair.low.key, pair.is_shown) == ("day", "night", True)
    assert pair.p == pytest.approx(0.03532, abs=1e-5)
    assert pair.difference.value == pytest.approx(6 / 31)
    assert 0 < pair.difference.low < pair.difference.value < pair.difference.high
    assert made.comparison.differ


def test_many_comparisons_make_one_of_them_less_sure() -> None:
    """The same two groups among five others of the same success: 21 pairs, and none is shown."""
    others = {f"line {k}": (9, 10) for k in range(5)}
    found = comparison(day=(22, 22), night=(25, 31), **others)
    assert (found.tests, found.differ) == (21, False)
    (least,) = found.pairs
    assert (least.high.key, least.low.key) == ("day", "night")
    assert least.p == pytest.approx(21 * 0.03532, abs=1e-3)


def test_the_greatest_difference_comes_first_and_what_cannot_be_compared_is_left_out() -> None:
    cases = shifts(day=(95, 100), night=(50, 100), late=(20, 100))
    cases.append(case(999, "already_target", attributes={"shift": "idle"}))
    found = report(cases, by_attribute(cases, "shift"), ()).comparison
    assert found.tests == 3
    names = [(pair.high.key, pair.low.key) for pair in found.pairs]
    assert names == [("day", "late"), ("day", "night"), ("night", "late")]


def test_one_group_or_none_is_compared_with_nothing() -> None:
    assert (comparison().tests, comparison().pairs) == (0, ())
    assert (comparison(day=(3, 4)).pairs, comparison(day=(3, 4)).differ) == ((), False)


# --- the table ----------------------------------------------------------------------------


@pytest.mark.parametrize(
    "text", ["=1+1", "+cmd|' /C calc'!A0", "-2", "@SUM(A1)", "\t=1", "\r=1", "  =1", "＝1"]
)
def test_no_text_begins_as_a_formula_does(text: str) -> None:
    written = table.as_csv(("a",), [(text,)]).decode("utf-8-sig")
    (_, (cell,)) = csv.reader(io.StringIO(written, newline=""))
    assert cell == f"'{text}"


def test_numbers_and_plain_text_stay_as_they_are() -> None:
    written = table.as_csv(("a", "b", "c"), [("토크, 50", -2.5, None)]).decode("utf-8-sig")
    assert list(csv.reader(io.StringIO(written)))[1] == ["토크, 50", "-2.5", ""]


def test_the_table_has_every_group_lever_rule_and_verdict() -> None:
    made = report(CASES, by_feature(CASES, QUALITY), [ReviewVerdict("id-1", "approve")])
    found = {(row[0], row[1], row[2]): row[3:] for row in table.rows(made, "ko")}
    assert found["all", "전체", "success"][0] == pytest.approx(3 / 7)
    assert found["group", "하급", "infeasible"][3:] == (2, 3)
    assert found["lever", "torque", "median change (Nm)"][0] == -5.0
    assert found["rule", "6 K 이상", "blocks"][3:] == (2, 2)
    assert found["verdicts", "approved", "count"][0] == 1
    assert found["difference", "H / 하급", "success"][3:] == (None, 3)
    assert found["difference", "H / 하급", "corrected p"][0] == 1.0
    assert all(len(row) == 5 for row in found.values())
