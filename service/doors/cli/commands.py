"""Every command of ``ifonly``, each imported when it is called, and how a failure is told.

Exit codes: 0 the question was answered, whatever the answer; 1 it could not be (no model, a
broken folder, a port that is taken, a model that failed); 2 the command or the request is wrong;
3 `causal drift` found something that moved, or some rows of `bulk` could not be answered.
Answers go to stdout, everything else to stderr.
"""

from __future__ import annotations

import sys
from typing import ClassVar

import typer

from ifonly.service.doors.cli.lazy import LazyCommand, LazyGroup


class Commands(LazyGroup):
    """The commands of ``ifonly``."""

    table: ClassVar = {
        "run": LazyCommand(
            "serve",
            "run",
            "Serve the models on loopback, to anybody here, and show a first alarm explained.",
        ),
        "serve": LazyCommand(
            "serve",
            "serve",
            "Serve the models until told to stop. Settings: environment variables IFONLY_*.",
        ),
        "explainer": LazyCommand(
            "explainer",
            "explainer",
            "Serve as the explainer of a KServe InferenceService. Settings: as `ifonly serve`.",
        ),
        "explain": LazyCommand(
            "explain",
            "explain",
            "Explain one instance: the sentence, and a table of what would have to change.",
        ),
        "predict": LazyCommand("explain", "predict", "What the model says of one instance."),
        "what-if": LazyCommand(
            "explain",
            "what_if",
            "What the model would say of one instance once features are set; "
            "step by step with --over.",
        ),
        "menu": LazyCommand(
            "explain",
            "menu",
            "What each few levers can do alone: the cheapest change, or the proof that there is "
            "none.",
        ),
        "common": LazyCommand(
            "common",
            "common",
            "Which one change of a few levers would have cleared the most of these alarms?",
        ),
        "reasons": LazyCommand(
            "reasons",
            "reasons",
            "Which readings alone force the decision, whatever the others are, and which count "
            "most?",
        ),
        "bulk": LazyCommand(
            "bulk",
            "app",
            "Answer a file or table of rows: ifonly bulk IN OUT. Check its answers: ifonly bulk "
            "verify OUT.",
        ),
        "report": LazyCommand(
            "report",
            "report",
            "Recourse of a whole file: by group with exact tests, cost, sparsity, what blocks. "
            "Exit code 1 if FILE is not as it was written; the report is made, and says so.",
        ),
        "fairness": LazyCommand(
            "fairness",
            "fairness",
            "Is recourse fair? Groups by several attributes, tested, and twins: oneself, had one "
            "been another.",
        ),
        "train": LazyCommand(
            "train",
            "train",
            "Train the milling machine's alarm, export it, check the export, write its folder.",
        ),
        "verify": LazyCommand(
            "verify",
            "verify",
            "Recompute an exported answer from the model's folder; "
            "print each check with its numbers.",
        ),
        "models": LazyCommand(
            "models", "app", "List the models, check a model folder, or make one."
        ),
        "causal": LazyCommand(
            "causal_commands",
            "app",
            "What acts on what: fit and test the causal model beside a model.",
        ),
        "alarms": LazyCommand(
            "alarms", "alarms", "List the equipment in alarm, the most urgent first."
        ),
        "outcomes": LazyCommand(
            "outcomes",
            "app",
            "What came of advice: tell it from a file, see what became of each, count, export.",
        ),
        "experiment": LazyCommand(
            "experiment",
            "app",
            "Two ways of advising, compared on real alarms: plan, start, list, show, stop, "
            "analyse.",
        ),
        "jobs": LazyCommand("jobs", "app", "Jobs: list, show and cancel them, read results."),
        "db": LazyCommand("store", "tables", "The store's tables."),
        "keys": LazyCommand("store", "keys", "Make, list and revoke API keys."),
        "events": LazyCommand("events", "app", "Dead letters of events and webhooks."),
        "audit": LazyCommand(
            "audit", "app", "Verify, replay, sample, export and erase what was recorded."
        ),
    }


app = typer.Typer(
    name="ifonly",
    cls=Commands,
    help="The smallest change that would have flipped a deployed model's decision.",
    epilog="Exit codes: 0 answered; 1 could not be answered; 2 the command or request is wrong.",
    no_args_is_help=True,
    add_completion=False,
    # Typer's tracebacks can show local variables, and those may hold keys.
    pretty_exceptions_enable=False,
)


@app.callback()
def ifonly() -> None:
    """Typer takes no group without commands of its own, unless it has a callback."""


def run() -> None:
    """Run the command; an expected failure is one message and an exit code, no traceback."""
    try:
        app()
    except Exception as error:
        # Imported only now: the kinds of failures are spread over everything that may fail.
        from ifonly.service.doors.cli import failures

        sys.exit(failures.told(error))
