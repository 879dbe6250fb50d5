"""Alarms of a trained model on parts that it has never seen, with the truth about each."""

from __future__ import annotations

from collections.abc import Iterator

from ifonly.models.errors import ModelError
from ifonly.models.predictor import Predictor
from ifonly.models.schema import Decision
from ifonly.models.training.dataset import ALARM_CAMPAIGN
from ifonly.models.training.milling import CAMPAIGN_ROWS, Simulation, join, simulate

_CAMPAIGNS_AT_ONCE = 20


def held_out_alarms(
    n_alarms: int, seed: int, predictor: Predictor, decision: Decision
) -> Simulation:
    """The first ``n_alarms`` simulated parts that the model flags, none of them ever trained on.

    What comes back is a simulation: its noise lets actions be carried out on the very machine
    (:func:`~ifonly.models.training.milling.carry_out`), and its ``modes`` say which alarms were
    right.

    Raises
    ------
    ModelError
        If the model flags fewer than one part in a thousand.
    """
    found = n_parts = 0
    flagged: list[Simulation] = []
    # Some campaigns at a time: alarms are rare, and how many parts it takes is not known.
    for parts in _held_out(seed, n_alarms):
        alarm = decision.decide(predictor.score(parts.rows)) == decision.positive
        flagged.append(parts[alarm])
        found, n_parts = found + len(flagged[-1]), n_parts + len(parts)
        if found >= n_alarms:
            return join(flagged)[:n_alarms]
    raise ModelError(f"the model flags {found} of {n_parts} parts, not the {n_alarms} asked for")


def _held_out(seed: int, n_alarms: int) -> Iterator[Simulation]:
    for campaign in range(0, n_alarms, _CAMPAIGNS_AT_ONCE):
        n_rows = _CAMPAIGNS_AT_ONCE * CAMPAIGN_ROWS
        yield simulate(n_rows, seed, first_campaign=ALARM_CAMPAIGN + campaign)
