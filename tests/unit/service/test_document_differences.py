"""Two documents side by side."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ifonly.service.ask import document_differences
from ifonly.service.ask.document_differences import key_differences, paired_lines

BEFORE = b"""
a = 1.50
[[rules]]
rule = "x <= 1"
why = "small"
[[rules]]
rule = "y <= 1"
[[edges]]
from = "x"
to = "y"
sign = "+"
"""


def keys(was: bytes, now: bytes) -> dict[str, tuple[str | None, str | None]]:
    return {d.key: (d.was, d.now) for d in key_differences(was, now)}


def test_equal_documents_have_no_differences() -> None:
    assert keys(BEFORE, BEFORE) == {}
    assert paired_lines(BEFORE, BEFORE) == ()


def test_a_number_is_what_was_written() -> None:
    assert keys(BEFORE, BEFORE.replace(b"1.50", b"1.5")) == {"a": ("1.50", "1.5")}


def test_items_are_matched_by_what_they_are_known_by_wherever_they_stand() -> None:
    swapped = BEFORE.replace(b'"x <= 1"', b'"-"').replace(b'"y <= 1"', b'"x <= 1"')
    swapped = swapped.replace(b'"-"', b'"y <= 1"')
    # The reason went to the other rule, and nothing else is otherwise.
    assert keys(BEFORE, swapped) == {
        "rules[x <= 1].why": ("small", None),
        "rules[y <= 1].why": (None, "small"),
    }
    turned = BEFORE.replace(b'sign = "+"', b'sign = "-"')
    assert keys(BEFORE, turned) == {"edges[x → y].sign": ("+", "-")}


def test_two_items_of_one_name_stay_two() -> None:
    twice = b'[[rules]]\nrule = "x"\nn = 1\n[[rules]]\nrule = "x"\nn = 2\n'
    assert keys(twice, twice.replace(b"n = 2", b"n = 3")) == {"rules[x #2].n": ("2", "3")}


def test_a_document_that_is_not_there_is_empty() -> None:
    found = list(key_differences(b"", b"a = 1"))
    assert [(d.key, d.way) for d in found] == [("a", "added")]
    assert [d.way for d in key_differences(b"a = 1", b"")] == ["removed"]


def test_changed_lines_stand_beside_each_other() -> None:
    pairs = paired_lines(b"a\nb\nc\nd\ne\nf\n", b"a\nb\nC\nd\ne\nf\ng\n")
    assert pairs is not None
    assert [(p.way, p.was and p.was[0], p.now and p.now[0]) for p in pairs] == [
        ("same", 1, 1),
        ("same", 2, 2),
        ("changed", 3, 3),
        ("same", 4, 4),
        ("same", 5, 5),
        ("same", 6, 6),
        ("added", None, 7),
    ]


def test_too_many_lines_are_not_matched(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(document_differences, "MOST_LINES", 3)
    assert paired_lines(b"1\n2\n3\n4", b"5\n6\n7\n8") is None
    # What both begin and end with needs no matching.
    same = b"x\n" * 1_000
    assert paired_lines(same + b"1\n" + same, same + b"2\n" + same) is not None


LINES = st.lists(st.sampled_from(["", "a", "b", "c = 1"]), max_size=12)


@given(LINES, LINES)
def test_every_line_of_both_that_differs_is_shown_once_in_order(
    was: list[str], now: list[str]
) -> None:
    pairs = paired_lines("\n".join(was).encode(), "\n".join(now).encode())
    assert pairs is not None
    for side, lines in ((0, was), (1, now)):
        whole = "\n".join(lines).splitlines()
        shown = [x for p in pairs if (x := (p.was, p.now)[side]) is not None]
        assert [number for number, _ in shown] == sorted({number for number, _ in shown})
        assert all(whole[number - 1] == text for number, text in shown)
    if was == now:
        assert pairs == ()
    # Without what is shown, both say the same.
    left = [
        [x for k, x in enumerate("\n".join(lines).splitlines(), 1) if k not in hidden]
        for lines, hidden in (
            (was, {p.was[0] for p in pairs if p.was}),
            (now, {p.now[0] for p in pairs if p.now}),
        )
    ]
    assert left[0] == left[1]
