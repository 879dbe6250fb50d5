"""``ifonly verify``: an exported answer, checked without a service, an engine or a store."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.table import Table

from ifonly.explainers.verify import Rulebook
from ifonly.explainers.verify.course import check_what_if
from ifonly.explainers.verify.exported import check_answer
from ifonly.explainers.verify.many import check_common
from ifonly.explainers.verify.reasons import check_reasons
from ifonly.explainers.verify.report import Check
from ifonly.explainers.verify.sections import NotAnAnswer, Section
from ifonly.models.errors import ModelError
from ifonly.models.repository import DeployedModel, load_folder
from ifonly.models.rounding import rounding_of
from ifonly.service.served.checking import rulebook_of

Json = dict[str, Any]
out = Console(highlight=False, soft_wrap=True)
err = Console(stderr=True, highlight=False, soft_wrap=True)

ANSWERED = ("counterfactuals", "curves", "trajectory", "principal")
"""Members by which an answer is known."""
# Digests first: an answer checked against another folder would prove nothing.
DIGESTS = ("model_sha256", "spec_sha256", "causal_sha256")


def verify(
    file: Annotated[
        Path,
        typer.Argument(
            help="A reply, a record as `ifonly audit export` or GET /audit/events/ID gives it, or "
            "a .jsonl file of records; - for standard input."
        ),
    ],
    model: Annotated[Path, typer.Option("--model", help="The model's folder: <name>/<version>.")],
    question: Annotated[
        Path | None,
        typer.Option("--question", help="The request, where FILE is a reply and has it not."),
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print the checks as JSON.")] = False,
) -> None:
    """Recompute an exported answer from the model's folder; print each check with its numbers.

    Exit codes: 0 everything holds; 1 something does not; 2 it cannot be read.
    """
    try:
        deployed = load_folder(model.resolve())
        asked = None if question is None else _object(question)
        answers = list(_answers(_text(file), asked))
        checked = [(name, _checked(deployed, told, of)) for name, told, of in answers]
    # The reply may come from anybody, also nested a million deep.
    except RecursionError:
        err.print(f"ifonly: {file} cannot be checked: it is nested too deeply", markup=False)
        raise typer.Exit(2) from None
    except (OSError, ValueError, ModelError) as error:
        err.print(f"ifonly: {file} cannot be checked: {error}", markup=False)
        raise typer.Exit(2) from None
    if as_json:
        out.print_json(json.dumps([_as_json(*one) for one in checked]))
    else:
        for name, sections in checked:
            _show(name, sections)
    if not all(section.holds for _, sections in checked for section in sections):
        raise typer.Exit(1)


def _checked(deployed: DeployedModel, answer: Json, request: Json | None) -> list[Section]:
    book, predictor = rulebook_of(deployed), deployed.predictor
    provenance = answer.get("provenance")
    if not isinstance(provenance, dict):
        raise NotAnAnswer("it does not say which model answered")
    digests = Section("documents", tuple(_digests(deployed, provenance, book)))
    rounding = rounding_of(predictor)
    if "trajectory" in answer:
        return [digests, *check_what_if(answer, request, book, predictor.score)]
    if "principal" in answer:
        return [digests, *check_reasons(answer, request, book, predictor.score)]
    if "curves" in answer:
        return [digests, *check_common(answer, request, book, predictor.score, rounding)]
    return [digests, *check_answer(answer, request, book, predictor.score, rounding)]


def _digests(
    deployed: DeployedModel, provenance: Mapping[str, Any], book: Rulebook
) -> Iterator[Check]:
    """Whether the folder is the one that answered. A causal model that nobody has accepted is in
    no answer."""
    for key in DIGESTS:
        said, here = provenance.get(key), getattr(deployed, key)
        if key == "causal_sha256" and not book.has_causes:
            # A graph that nobody has accepted took no part in the answer.
            here = None
        told = f"{said}" if said == here else f"{said} answered, the folder has {here}"
        yield Check(key, said == here, told)


def _text(file: Path) -> str:
    return sys.stdin.read() if str(file) == "-" else file.read_text(encoding="utf-8")


def _object(file: Path) -> Json:
    found = json.loads(_text(file))
    if not isinstance(found, dict):
        raise ValueError(f"{file} is no JSON object")
    return found


def _answers(text: str, question: Json | None) -> Iterator[tuple[str, Json, Json | None]]:
    """Every explanation in a file, every common change, every answer about reasons, and every
    what-if over time: its id, the answer, the request."""
    documents = _documents(text)
    told = 0
    for document in documents:
        kept = _content(document)
        answer, request = kept.get("answer", kept), kept.get("request", question)
        if isinstance(answer, dict) and any(part in answer for part in ANSWERED):
            told += 1
            yield str(answer.get("id", told)), answer, request
    # Silence would look as if all held.
    if not told:
        raise NotAnAnswer("it holds no answered explanation, and no what-if over time")


def _documents(text: str) -> list[Json]:
    try:
        found = [json.loads(text)]
    except ValueError:
        # JSONL is no JSON as a whole.
        found = list(_lines(text))
    if not all(isinstance(document, dict) for document in found):
        raise NotAnAnswer("it is no JSON object, nor one a line")
    return found


def _lines(text: str) -> Iterator[Json]:
    for number, line in enumerate(text.splitlines(), 1):
        if line.strip():
            try:
                yield json.loads(line)
            except ValueError as error:
                raise NotAnAnswer(f"line {number} is no JSON: {error}") from None


def _content(document: Json) -> Json:
    """What a record keeps, or the document itself."""
    kept = document.get("payload")
    content = json.loads(kept) if isinstance(kept, str) else document
    if not isinstance(content, dict):
        raise NotAnAnswer("its payload is no JSON object")
    return content


def _as_json(name: str, sections: list[Section]) -> Json:
    return {
        "id": name,
        "holds": all(section.holds for section in sections),
        "sections": [
            {
                "title": section.title,
                "checks": [
                    {"check": c.name, "holds": c.holds, "numbers": c.says} for c in section.checks
                ],
            }
            for section in sections
        ],
    }


def _show(name: str, sections: list[Section]) -> None:
    for section in sections:
        table = Table(
            "", "check", "numbers", title=f"{name}: {section.title}", title_justify="left"
        )
        for check in section.checks:
            table.add_row("holds" if check.holds else "FAILS", check.name, check.says)
        out.print(table, markup=False)
    lost = sum(not check.holds for section in sections for check in section.checks)
    count = sum(len(section.checks) for section in sections)
    out.print(
        f"{name}: {count} checks, all hold" if not lost else f"{name}: {lost} of {count} fail",
        markup=False,
    )
    out.print(
        "Checked by code that the engines do not use. That nothing cheaper exists is the "
        "search's proof: no check of rows can see it.",
        markup=False,
    )


def main() -> None:
    """``ifonly verify …`` alone: nothing else of the command line is imported."""
    app = typer.Typer(add_completion=False, pretty_exceptions_enable=False)
    app.command("verify")(verify)
    # An auditor needs no engine, store or web framework for it: an import contract says so.
    app(args=sys.argv[2:], prog_name="ifonly verify")
