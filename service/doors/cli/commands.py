"""Every command of ``ifonly``, and how a failure is told.

Exit codes: 0 the question was answered, whatever the answer; 1 it could not be (no model, a
broken folder, a port that is taken, a model that failed); 2 the command or the request is wrong;
3 `causal drift` found something that moved.
Answers go to stdout, everything else to stderr.
"""

from __future__ import annotations

import logging
import sys

import typer

from models.errors import ModelError, UnknownModel
from service import logs
from service.ask.problems import Refusal
from service.doors.cli import (
    audit,
    causal,
    causal_drift,
    causal_effect,
    causal_export,
    causal_fairness,
    causal_propose,
    causal_replay,
    explain,
    explainer,
    models,
    serve,
    store,
    train,
    verify,
)
from service.doors.cli.console import Failure, complain
from service.errors import InvalidRequest, MalformedBody, ServiceError

app = typer.Typer(
    name="ifonly",
    help="The smallest change that would have flipped a deployed model's decision.",
    epilog="Exit codes: 0 answered; 1 could not be answered; 2 the command or request is wrong.",
    no_args_is_help=True,
    add_completion=False,
    # Typer's tracebacks can show local variables, and those may hold keys.
    pretty_exceptions_enable=False,
)
app.command("run")(serve.run)
app.command("serve")(serve.serve)
app.command("explainer")(explainer.explainer)
app.command("explain")(explain.explain)
app.command("predict")(explain.predict)
app.command("train")(train.train)
app.command("verify")(verify.verify)
app.add_typer(models.app, name="models")
causal.app.command("drift")(causal_drift.drift_command)
causal.app.command("effect")(causal_effect.effect)
causal.app.command("export")(causal_export.command)
causal.app.command("propose")(causal_propose.propose_command)
causal.app.command("fairness")(causal_fairness.command)
causal.app.command("replay")(causal_replay.replay)
app.add_typer(causal.app, name="causal")
app.add_typer(store.tables, name="db")
app.add_typer(store.keys, name="keys")
app.add_typer(audit.app, name="audit")


def run() -> None:
    """Run the command; an expected failure is one message and an exit code, no traceback."""
    try:
        app()
    except MalformedBody as error:
        complain(str(error))
        sys.exit(2)
    except InvalidRequest as error:
        complain(*(fault.problem for fault in error.faults))
        sys.exit(2)
    # 2 as for a wrong command: asked otherwise it can be answered.
    except (Refusal, UnknownModel) as error:
        complain(str(error))
        sys.exit(2)
    except (Failure, ModelError, ServiceError) as error:
        complain(str(error))
        sys.exit(1)
    except Exception as error:
        # An operator reads one line; a traceback is for whoever asks for it.
        if logs.logger.isEnabledFor(logging.DEBUG):
            raise
        complain(
            f"failed: {type(error).__name__}: {error} (IFONLY_LOG_LEVEL=DEBUG shows where)",
        )
        sys.exit(1)
