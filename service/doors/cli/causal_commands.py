"""``ifonly causal``: the names of its commands, and the module that each is in."""

from __future__ import annotations

from typing import ClassVar

import typer

from ifonly.service.doors.cli.lazy import LazyCommand, LazyGroup


class CausalCommands(LazyGroup):
    """The commands of ``ifonly causal``."""

    table: ClassVar = {
        "fit": LazyCommand(
            "causal",
            "fit_command",
            "Learn the mechanisms of causal.toml, test them on later rows, "
            "learn them from all, write.",
        ),
        "validate": LazyCommand(
            "causal",
            "validate_command",
            "Test the causal model of a folder on rows; nothing is written.",
        ),
        "accept": LazyCommand(
            "causal",
            "accept_command",
            "Accept a proposed causal model: from then on it is used, in that person's name. What "
            "had failed by then is kept, part by part: answers that rest on it say so.",
        ),
        "alternatives": LazyCommand(
            "causal_alternatives",
            "alternatives_command",
            "Find the other graphs that rows cannot exclude: an edge turned round, none at all, a "
            "hidden cause. What people gave is kept.",
        ),
        "drift": LazyCommand(
            "causal_drift",
            "drift_command",
            "Test every mechanism, and every root's values, on new rows. "
            "Exit code 3: something moved.",
        ),
        "effect": LazyCommand(
            "causal_effect",
            "effect",
            "Identify, estimate and try to refute an effect on the real outcome: on average, by "
            "group, and for machines that read like one.",
        ),
        "value": LazyCommand(
            "causal_value",
            "value",
            "What the outcome would have been under other policies, beside what was done: from "
            "logged rows, doubly robust, each row by predictions that did not see it.",
        ),
        "panel": LazyCommand(
            "causal_panel",
            "panel",
            "Difference in differences with staggered starts, by group and time; trends before it "
            "are looked at, errors are clustered by machine. Exit code 0 whatever they say.",
        ),
        "export": LazyCommand(
            "causal_export",
            "command",
            "Write what follows from actions, and the model's scores of it, as one graph.",
        ),
        "propose": LazyCommand(
            "causal_propose",
            "propose_command",
            "Propose a graph, with how often each edge was found. "
            "A person accepts it, or does not.",
        ),
        "fairness": LazyCommand(
            "fairness",
            "fairness",
            "Is recourse fair? Groups by several attributes, tested, and twins: oneself, had one "
            "been another.",
        ),
        "stability": LazyCommand(
            "causal_stability",
            "stability_command",
            "Learn how much of each node's own noise stays until a remedy is carried out.",
        ),
        "replay": LazyCommand(
            "causal_replay",
            "replay",
            "Ask past rows of both folders; say which alarms, answers and true alarms change.",
        ),
    }


app = typer.Typer(
    cls=CausalCommands, help="What acts on what: fit and test the causal model beside a model."
)


@app.callback()
def causal() -> None:
    """Typer takes no group without commands of its own, unless it has a callback."""
