"""Whatever a spec says, it is read exactly or refused; it never crashes."""

from __future__ import annotations

import random
from decimal import Decimal

from hypothesis import given
from hypothesis import strategies as st

from ifonly.models.errors import SpecError
from ifonly.models.repository.naming import natural
from ifonly.models.spec import Spec, parse_spec
from tests.unit.models.spec_example import FULL

HEAD = 'format = 1\nname = "m"\nversion = "1"\ntask = "regression"\n'
FEATURE = '[[features]]\nname = "a"\nkind = "continuous"\n'

DECIMALS = st.builds(
    lambda digits, places: Decimal(digits).scaleb(-places),
    st.integers(1, 10**12),
    st.integers(0, 6),
)


def parsed(text: str) -> Spec | SpecError:
    try:
        return parse_spec(text.encode(), "s")
    except SpecError as error:
        return error


@given(DECIMALS)
def test_a_resolution_is_read_as_it_is_written(step):
    spec = parsed(HEAD + FEATURE + f"bounds = [0.0, {4 * step:f}]\nresolution = {step:f}\n")
    assert isinstance(spec, Spec)
    assert spec.schema["a"].resolution == step


@given(DECIMALS, st.integers(0, 1000), st.integers(-40, 40).map(lambda n: Decimal(n) / 100))
def test_only_multiples_of_the_resolution_can_be_named(step, k, off):
    text = HEAD + FEATURE + f"bounds = [0.0, {step * 1000:f}]\nresolution = {step:f}\n"
    value = step * k + step * off
    text += f"[policy.features.a]\nonly_to = [{value:f}]\n"
    allowed = off == 0 and 0 <= value <= step * 1000
    assert isinstance(parsed(text), Spec) == allowed


@given(st.data())
def test_a_spec_with_a_line_changed_is_read_or_refused_with_a_reason(data):
    lines = FULL.splitlines()
    at = data.draw(st.integers(0, len(lines) - 1))
    kind = data.draw(st.sampled_from(["drop", "double", "swap", "edit"]))
    if kind == "drop":
        del lines[at]
    elif kind == "double":
        lines.insert(at, lines[at])
    elif kind == "swap":
        other = data.draw(st.integers(0, len(lines) - 1))
        lines[at], lines[other] = lines[other], lines[at]
    else:
        value = data.draw(
            st.sampled_from(["nan", "inf", "-1", "1e400", '""', "[]", "{}", "true", "1979-05-27"])
        )
        lines[at] = lines[at].split("=")[0] + "= " + value
    outcome = parsed("\n".join(lines))
    if isinstance(outcome, SpecError):
        assert all(problem.problem for problem in outcome.problems)


@given(st.binary(max_size=200))
def test_any_bytes_are_refused_not_a_crash(data):
    try:
        parse_spec(data, "s")
    except SpecError:
        return
    raise AssertionError("random bytes are no spec")


@given(st.lists(st.tuples(st.integers(0, 50), st.integers(0, 50)), unique=True), st.randoms())
def test_versions_sort_as_numbers(numbers, shuffle: random.Random):
    versions = [f"{major}.{minor}" for major, minor in numbers]
    shuffle.shuffle(versions)
    ordered = [f"{major}.{minor}" for major, minor in sorted(numbers)]
    assert sorted(versions, key=natural) == ordered
