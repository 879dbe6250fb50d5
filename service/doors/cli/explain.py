"""``ifonly explain``, ``what-if`` and ``predict``: one question, without a server."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from ifonly.explainers.terms import MOST_LEVERS
from ifonly.service.ask.question import Rung
from ifonly.service.doors.cli import in_process, rendering
from ifonly.service.doors.cli.console import (
    AsJson,
    Model,
    Models,
    Row,
    Version,
    out,
    pick,
    print_json,
    read_object,
    registry,
    settings,
)
from ifonly.service.doors.cli.languages import Languages, languages_of
from ifonly.service.doors.cli.option_values import read_over, read_settings
from ifonly.service.doors.cli.question_options import (
    AskedSemantics,
    Constraints,
    DeadlineMs,
    Seed,
    Target,
    asked,
)


def explain(
    row: Row,
    model: Model = None,
    version: Version = None,
    models: Models = None,
    target: Target = None,
    freeze: Annotated[
        list[str] | None, typer.Option("--freeze", help="Feature to leave alone; repeatable.")
    ] = None,
    constraints: Constraints = None,
    alternatives: Annotated[int, typer.Option("--alternatives", help="Answers wanted.")] = 1,
    ways: Annotated[
        bool,
        typer.Option(
            "--ways", help="Also the fewest levers, the most robust, other levers: each proven."
        ),
    ] = False,
    joint_box: Annotated[
        bool,
        typer.Option("--joint-box", help="Also between what all settings may be chosen at once."),
    ] = False,
    menu: Annotated[
        int | None,
        typer.Option(
            "--menu",
            min=1,
            max=MOST_LEVERS,
            help="Also every set of so many levers at most: its cheapest change, or the proof "
            "that it has none.",
        ),
    ] = None,
    levers: Annotated[
        list[str] | None,
        typer.Option("--lever", help="Of --menu: a lever that sets are made of; repeatable."),
    ] = None,
    deadline_ms: DeadlineMs = None,
    seed: Seed = 0,
    semantics: AskedSemantics = None,
    lang: Languages = None,
    as_json: AsJson = False,
) -> None:
    """Explain one instance: the sentence, and a table of what would have to change."""
    chosen = settings(models=models)
    body: dict[str, Any] = {
        **asked(target, constraints, deadline_ms, semantics),
        "instance": read_object(row, "the row"),
        "alternatives": alternatives,
        "ways": ways,
        "joint_box": joint_box,
        "seed": seed,
        "languages": languages_of(lang),
    }
    if freeze:
        # Added to those of the file: an option must not undo what the file froze.
        limits = body["constraints"]
        limits["freeze"] = [*limits.get("freeze", []), *freeze]
    if menu is not None or levers:
        body["menu"] = {"max_levers": menu or 2, **({"levers": levers} if levers else {})}
    served = pick(registry(chosen), model, version)
    reply = in_process.explain(served, body, chosen)
    if as_json:
        print_json(reply)
    else:
        rendering.explanation(out, reply, body["languages"])


def menu(
    row: Row,
    model: Model = None,
    version: Version = None,
    models: Models = None,
    most: Annotated[
        int, typer.Option("--levers", min=1, max=MOST_LEVERS, help="Most levers of one set.")
    ] = 2,
    levers: Annotated[
        list[str] | None,
        typer.Option("--lever", help="A lever that sets are made of; repeatable."),
    ] = None,
    target: Target = None,
    constraints: Constraints = None,
    deadline_ms: DeadlineMs = None,
    lang: Languages = None,
    as_json: AsJson = False,
) -> None:
    """What each few levers can do alone: the cheapest change, or the proof that there is none."""
    chosen = settings(models=models)
    body: dict[str, Any] = {
        **asked(target, constraints, deadline_ms),
        "instance": read_object(row, "the row"),
        "menu": {"max_levers": most, **({"levers": levers} if levers else {})},
        "languages": languages_of(lang),
    }
    reply = in_process.explain(pick(registry(chosen), model, version), body, chosen)
    if as_json:
        print_json(reply)
    else:
        rendering.menu_alone(out, reply, body["languages"])


def predict(
    row: Row,
    model: Model = None,
    version: Version = None,
    models: Models = None,
    lang: Languages = None,
    as_json: AsJson = False,
) -> None:
    """What the model says of one instance."""
    instance = read_object(row, "the row")
    served = pick(registry(settings(models=models)), model, version)
    reply = in_process.predict(served, {"instance": instance})
    if as_json:
        print_json(reply)
    else:
        for tag in languages_of(lang):
            out.print(rendering.prediction(reply["predictions"][0], tag), markup=False)


def what_if(
    row: Row,
    settings_: Annotated[
        list[str],
        typer.Option("--set", help="feature=value, repeatable; or all as JSON."),
    ],
    model: Model = None,
    version: Version = None,
    models: Models = None,
    rung: Annotated[
        Rung | None,
        typer.Option("--rung", help="Default: counterfactual where a causal model is accepted."),
    ] = None,
    over: Annotated[
        str | None,
        typer.Option("--over", help="How long to look on: '30 minutes', or the API's as JSON."),
    ] = None,
    lang: Languages = None,
    as_json: AsJson = False,
) -> None:
    """What the model would say of one instance once features are set; step by step with --over."""
    body: dict[str, Any] = {
        "instance": read_object(row, "the row"),
        "set": read_settings(settings_),
        "languages": languages_of(lang),
    }
    if rung is not None:
        body["rung"] = rung.value
    if over is not None:
        body["over"] = read_over(over)
    served = pick(registry(settings(models=models)), model, version)
    reply = in_process.what_if(served, body)
    if as_json:
        print_json(reply)
    else:
        rendering.what_if(out, reply, body["languages"])
