"""Each test of the oracle counts what its questions came to; a module says how many it must see."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest

from tests.support.checks import Tally


@pytest.fixture
def tally(of_module: Tally, record_property: Callable[[str, object], None]) -> Iterator[Tally]:
    """What the questions of one test came to; written to its report."""
    tally = Tally()
    yield tally
    of_module.update(tally)
    for kind, count in tally.items():
        record_property(kind, count)


@pytest.fixture(scope="module")
def of_module(request: pytest.FixtureRequest) -> Iterator[Tally]:
    """The sum over a module, held to its ``AT_LEAST`` if all of it ran."""
    tally = Tally()
    yield tally
    if is_whole(request) and not request.session.testsfailed:
        tally.hold_at_least(request.module.AT_LEAST)


def is_whole(request: pytest.FixtureRequest) -> bool:
    """Whether nothing that counts was picked out of a module: its slow tests may be left out,
    unless it says that its counts are with them (``WITH_SLOW``)."""
    config = request.config
    left_out = set(filter(None, config.option.markexpr.split(" and ")))
    may_be_left_out = {"not browser", "not long", "not clients"}
    if not getattr(request.module, "WITH_SLOW", False):
        may_be_left_out.add("not slow")
    return (
        not config.option.keyword
        and left_out <= may_be_left_out
        and not any("::" in given for given in config.args)
    )
