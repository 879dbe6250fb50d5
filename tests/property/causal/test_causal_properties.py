"""What holds of every structural causal model (Galles and Pearl 1998), to 1e-9."""

from __future__ import annotations

import numpy as np
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from ifonly.explainers.causal import draw_members
from tests.support.causal import draw_model, plain_counterfactual

seeds = st.integers(0, 2**32 - 1)
widths = st.integers(2, 6)


def rows_of(model, seed, n=7):
    rows = model.interventional(np.random.default_rng(seed), n)
    assume(np.abs(rows).max() < 1e6)
    return rows


def close(a, b):
    """To 1e-9 of the size of what is compared."""
    return bool((np.abs(a - b) <= 1e-9 * np.maximum(1.0, np.maximum(abs(a), abs(b)))).all())


def some_columns(rng, d):
    return [int(j) for j in rng.permutation(d)[: rng.integers(1, d)]]


@given(seeds, widths)
def test_composition_to_set_what_is_so_changes_nothing(seed, d):
    model = draw_model(seed, d).model
    rows, rng = rows_of(model, seed), np.random.default_rng([seed, 1])
    columns = some_columns(rng, d)
    assert (model.counterfactual(rows, columns, rows[:, columns]) == rows).all()
    assert close(model.predict(model.abduct(rows)), rows)


@given(seeds, widths)
def test_composition_to_set_what_follows_anyhow_changes_nothing_else(seed, d):
    model = draw_model(seed, d).model
    rows, rng = rows_of(model, seed), np.random.default_rng([seed, 1])
    first, *_ = columns = some_columns(rng, d)
    once = model.counterfactual(rows, [first], rng.normal(size=(len(rows), 1)))
    assume(np.abs(once).max() < 1e6)
    again = model.counterfactual(rows, columns, once[:, columns])
    assert close(again, once)


@given(seeds, widths)
def test_effectiveness_what_is_set_is_what_it_was_set_to(seed, d):
    model = draw_model(seed, d).model
    rows, rng = rows_of(model, seed), np.random.default_rng([seed, 1])
    columns = some_columns(rng, d)
    values = rng.normal(size=(len(rows), len(columns)))
    moved = model.counterfactual(rows, columns, values)
    assert (moved[:, columns] == values).all()
    still = sorted(set(range(d)) - set(columns) - set(model.graph.affected(columns)))
    assert (moved[:, still] == rows[:, still]).all()


@given(seeds, widths)
def test_reversibility_to_set_it_back_undoes_it(seed, d):
    model = draw_model(seed, d).model
    rows, rng = rows_of(model, seed), np.random.default_rng([seed, 1])
    j = int(rng.integers(d))
    there = model.counterfactual(rows, [j], rng.normal(size=(len(rows), 1)))
    assume(np.abs(there).max() < 1e4)
    assert close(model.counterfactual(there, [j], rows[:, [j]]), rows)


@given(seeds, widths)
def test_abduction_finds_the_noise_that_was_drawn(seed, d):
    model = draw_model(seed, d, ("linear", "expression", "basis")).model
    noise = np.random.default_rng(seed).normal(size=(5, d))
    rows = model.predict(noise)
    assume(np.abs(rows).max() < 1e3)
    assert close(model.abduct(rows), noise)


@given(seeds, widths)
def test_arrays_say_what_one_number_at_a_time_says(seed, d):
    drawn = draw_model(seed, d)
    (factual,), rng = rows_of(drawn.model, seed, 1), np.random.default_rng([seed, 1])
    columns = some_columns(rng, d)
    values = rng.normal(size=(4, len(columns)))
    rows = drawn.model.counterfactual(factual, columns, values)
    for row, value in zip(rows, values, strict=True):
        action = dict(zip(columns, value.tolist(), strict=True))
        plain = np.array(plain_counterfactual(drawn, factual.tolist(), action))
        assume(np.abs(plain).max() < 1e6)
        assert close(row, plain)


@given(seeds, widths)
@settings(max_examples=60)
def test_every_counterfactual_of_a_box_lies_within_its_bounds(seed, d):
    model = draw_model(seed, d).model
    (factual,), rng = rows_of(model, seed, 1), np.random.default_rng([seed, 1])
    columns = some_columns(rng, d)
    ends = np.sort(rng.normal(size=(2, 3, len(columns))), axis=0)
    low, high = model.bounds(factual, columns, ends[0], ends[1])
    for box in range(3):
        shares = rng.random((20, len(columns)))
        shares[:2] = [[0.0], [1.0]]
        values = ends[0, box] + shares * (ends[1, box] - ends[0, box])
        rows = model.counterfactual(factual, columns, values)
        slack = 1e-9 * np.maximum(1.0, np.abs(rows))
        assert (rows >= low[box] - slack).all()
        assert (rows <= high[box] + slack).all()


@given(seeds, widths)
@settings(max_examples=60)
def test_bounds_close_in_as_the_box_does(seed, d):
    model = draw_model(seed, d, ("linear", "polynomial", "basis")).model
    (factual,), rng = rows_of(model, seed, 1), np.random.default_rng([seed, 1])
    columns = some_columns(rng, d)
    centre = rng.normal(size=(1, len(columns)))
    (row,) = model.counterfactual(factual, columns, centre)
    assume(np.abs(row).max() < 1e3)
    wide = model.bounds(factual, columns, centre - 1, centre + 1)
    point = model.bounds(factual, columns, centre, centre)
    assert close(point[0][0], row)
    assert close(point[1][0], row)
    assert (wide[0] <= point[0] + 1e-9).all()
    assert (wide[1] >= point[1] - 1e-9).all()


@given(seeds, widths)
@settings(max_examples=40)
def test_members_scatter_about_the_model_and_keep_what_is_not_moved(seed, d):
    model = draw_model(seed, d, ("basis",), scaled=False).model
    (factual,), rng = rows_of(model, seed, 1), np.random.default_rng([seed, 1])
    columns = some_columns(rng, d)
    values = rng.normal(size=(3, len(columns)))
    members = draw_members(model, rng, 5)
    rows = members.counterfactual(factual, columns, values)
    assert rows.shape == (5, 3, d)
    assert (rows[:, :, columns] == values).all()
    moved = set(model.graph.affected(columns))
    for j in range(d):
        if j not in moved and j not in columns:
            assert (rows[:, :, j] == factual[j]).all()
    first = next((j for j in model.graph.affected(columns)), None)
    if first is not None:
        assert len(np.unique(rows[:, 0, first])) == 5
