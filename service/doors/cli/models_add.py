"""``ifonly models add``: a model folder from a graph and a sample of its rows."""

from __future__ import annotations

import contextlib
import shutil
import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import typer

from ifonly.explainers.wording import Language
from ifonly.models.adding import (
    AddedModel,
    Columns,
    ModelSource,
    Question,
    SpecDraft,
    added,
    read_columns,
    source_of,
)
from ifonly.models.errors import ModelError
from ifonly.models.onnx.guard import GuardLimits
from ifonly.models.onnx.walls import room
from ifonly.models.predictor import Row
from ifonly.models.repository import load_folder
from ifonly.models.repository.naming import natural, next_number
from ifonly.models.schema import Task
from ifonly.models.spec.checks import is_path_safe
from ifonly.models.window import padded, window_of
from ifonly.service.doors.cli import in_process, rendering
from ifonly.service.doors.cli.console import Failure, Models, err, out, settings
from ifonly.service.doors.cli.languages import Languages, languages_of
from ifonly.service.served import uploads
from ifonly.service.served.registry import ServedModel, prepare
from ifonly.service.settings import Settings, shipped_models

MOST_TOLD = 30
"""Lines of what was found; the rest stands in the folder."""

File = Annotated[
    Path,
    typer.Argument(
        help="ONNX (.onnx), XGBoost (.json, .ubj), LightGBM (.txt), CatBoost (.cbm), skops; "
        "a folder of MLflow's; a pickle (.pkl, .joblib) with --trust."
    ),
]
Data = Annotated[
    Path | None,
    typer.Option(
        "--data", help="Rows that the model was made for: .csv or .parquet; default: its example."
    ),
]


def add(
    file: File,
    data: Data = None,
    label: Annotated[
        str | None, typer.Option("--label", help="Column of the decisions in --data.")
    ] = None,
    held_out: Annotated[
        bool | None,
        typer.Option(
            "--held-out/--trained-on",
            help="Whether the model was trained on none of the labelled rows.",
        ),
    ] = None,
    columns: Annotated[
        str | None,
        typer.Option("--columns", help="Columns that the model reads, in its order: a,b,c."),
    ] = None,
    name: Annotated[str | None, typer.Option("--name", help="Default: the file's.")] = None,
    version: Annotated[
        str | None, typer.Option("--version", help="Default: the next whole number.")
    ] = None,
    models: Models = None,
    answers: Annotated[
        list[str] | None,
        typer.Option("--answer", help="Answer to a question, as desired=normal; repeatable."),
    ] = None,
    yes: Annotated[bool, typer.Option("--yes", help="Take every guess.")] = False,
    trust: Annotated[
        bool,
        typer.Option(
            "--trust",
            help="Run what code a pickle holds, in a process without network, writing or others.",
        ),
    ] = False,
    lang: Languages = None,
) -> None:
    """Register a model with no code: read FILE, look at the rows of --data, write its folder.

    What is guessed is marked in the folder's spec.toml. What is unclear is asked.
    """
    chosen = settings(models=models)
    root = _writable(chosen, models)
    called = name or uploads.safe_name(file.stem if file.is_file() else file.resolve().name)
    if not is_path_safe(called) or (version is not None and not is_path_safe(version)):
        raise Failure(f"{called} {version or ''}: letters, digits, '.', '_', '-' make a name")
    numbered = version or _next(root / called)
    if (root / called / numbered).exists():
        raise Failure(f"version {numbered} of {called} is there already: --version names another")
    asker = _Asker(_given(answers), is_quiet=yes, is_live=sys.stdin.isatty())
    source = source_of(file)
    table, rows_from = _sample(source, data)
    read = columns.split(",") if columns else source.read
    # A graph that takes all memory fails; it does not take the machine's.
    with _enough(source.name):
        made = _added(source, table, asker, label=label, read=read, trust=trust)
        draft = made.draft
        origin = f"{source.name} and {rows_from}, {len(draft.rows):,} rows"
        uploads.sweep(root)
        with_hidden = uploads.hidden(root)
        try:
            files = made.files(called, numbered, origin, held_out)
            folder = uploads.write(with_hidden / called / numbered, files)
            served = prepare(load_folder(folder, with_hidden))
            found = _explained(served, draft, languages_of(lang), chosen)
            uploads.put_in_place(folder, root)
        finally:
            shutil.rmtree(with_hidden, ignore_errors=True)
    for line in made.told:
        _line(line)
    _tell(draft, asker, root / called / numbered)
    _tell_proof(served, found, languages_of(lang))


@contextlib.contextmanager
def _enough(name: str) -> Iterator[None]:
    limits = GuardLimits()
    try:
        with room(limits.memory_bytes):
            yield
    except MemoryError:
        raise Failure(f"{name} needs more than {limits.memory}, which is the limit") from None


def _added(
    source: ModelSource,
    table: Columns,
    asker: _Asker,
    *,
    label: str | None,
    read: Sequence[str] | None,
    trust: bool,
) -> AddedModel:
    try:
        made = added(source, table, asker, label=label, read=read, trust=trust)
    except ModelError:
        # What was guessed may be why.
        asker.check()
        raise
    asker.check()
    return made


def _writable(chosen: Settings, models: Path | None) -> Path:
    root = chosen.models
    if models is None and root == shipped_models():
        raise Failure("say where the folder of models is: --models DIR, or IFONLY_MODELS")
    try:
        root.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise Failure(f"{root} cannot be written ({error.strerror})") from None
    return root


def _sample(source: ModelSource, data: Path | None) -> tuple[Columns, str]:
    """Rows, and what they are called."""
    if data is not None:
        return read_columns(data), data.name
    if source.sample is None:
        raise Failure("say which rows it was made for: --data rows.csv; no example came with it")
    return source.sample, "its example"


def _next(folder: Path) -> str:
    there = [path.name for path in folder.iterdir() if path.is_dir()] if folder.is_dir() else []
    number = next_number(there)
    if number is None:
        latest = max(there, key=natural)
        raise Failure(f"the latest version is {latest}: --version names the next one")
    return number


# --- questions ------------------------------------------------------------------------------------


def _given(answers: Sequence[str] | None) -> dict[str, str]:
    found = {}
    for text in answers or ():
        key, is_told, value = text.partition("=")
        if not is_told:
            raise typer.BadParameter(f"{text!r} is not key=value", param_hint="--answer")
        found[key.strip()] = value.strip()
    return found


@dataclass
class _Asker:
    """Asks a person where there is one; takes the guess where that was said; else it remembers."""

    given: Mapping[str, str]
    is_quiet: bool
    is_live: bool
    open: list[Question] = field(default_factory=list)
    guessed: list[Question] = field(default_factory=list)
    asked: set[str] = field(default_factory=set)

    def __call__(self, question: Question) -> str:
        self.asked.add(question.key)
        if question.key in self.given:
            answer = self.given[question.key]
            if question.choices and answer not in question.choices:
                raise Failure(f"{question.key} is {answer!r}, not {' | '.join(question.choices)}")
            return answer
        if self.is_quiet or not self.is_live:
            (self.guessed if self.is_quiet else self.open).append(question)
            return question.guess
        return self._prompted(question)

    def _prompted(self, question: Question) -> str:
        while True:
            choices = f" ({' | '.join(question.choices)})" if question.choices else ""
            answer: str = typer.prompt(f"{question.text}{choices}", default=question.guess)
            if not question.choices or answer in question.choices:
                return answer
            err.print(f"not one of {', '.join(question.choices)}", markup=False)

    def check(self) -> None:
        """Raises
        ------
        Failure
            If something is open, or an answer was given to no question.
        """
        if self.open:
            lines = "\n".join(f"  {question}" for question in self.open)
            raise Failure(
                f"nobody is there to ask; answer with --answer key=value, or take the guesses with "
                f"--yes:\n{lines}"
            )
        unasked = sorted(set(self.given) - self.asked)
        if unasked:
            raise Failure(
                f"--answer {', '.join(unasked)}: no such question; asked were "
                f"{', '.join(sorted(self.asked)) or 'none'}"
            )


# --- the folder -----------------------------------------------------------------------------------


# --- the first explanation ------------------------------------------------------------------------


def _explained(
    served: ServedModel, draft: SpecDraft, languages: Sequence[Language], chosen: Settings
) -> in_process.Reply | None:
    """Of the first row whose decision is not what people want; None where there is none."""
    rows = padded(served.schema, draft.rows)
    decision, scores = served.decision, served.deployed.predictor.score(rows)
    body: dict[str, Any] = {"languages": list(languages)}
    if decision.desired is not None:
        wrong = np.flatnonzero(decision.decide(scores) != decision.desired)
    elif decision.task is Task.REGRESSION:
        # No limit: about half of the rows have less, and one that has more is asked for as little.
        middle = float(f"{np.median(scores[:, 0]):.4g}")
        wrong = np.flatnonzero(scores[:, 0] > middle)
        body["target"] = {"score": {"max": middle}}
    else:
        wrong = np.empty(0, dtype=np.intp)
    if not len(wrong):
        return None
    row: Row = rows[wrong[0]]
    body["instance"] = served.schema.write(row)
    return in_process.explain(served, body, chosen)


# --- what is told ---------------------------------------------------------------------------------


def _tell(draft: SpecDraft, asker: _Asker, place: Path) -> None:
    for line in draft.told[:MOST_TOLD]:
        _line(line)
    if len(draft.told) > MOST_TOLD:
        _line(f"and {len(draft.told) - MOST_TOLD} more columns: spec.toml")
    found = draft.report
    tried = f"{found['rows']:,} rows of the sample"
    if "own_label_differs" in found:
        _line(
            f"parity: the graph's own label is what the folder decides in {tried} and "
            f"{found['beside']:,} rows beside thresholds"
        )
    if "label_differs" in found:
        same = found["rows"] - found["label_differs"]
        _line(f"labels: {same:,} of {tried} are labelled as the model decides")
    for question in asker.guessed:
        _line(f"guessed: {question}")
    _line(f"written: {place} (check the lines marked `# guessed` in spec.toml)")


def _tell_proof(
    served: ServedModel, reply: in_process.Reply | None, languages: Sequence[Language]
) -> None:
    refusal = served.deployed.form_refusal
    if refusal and window_of(served.schema) is not None:
        _line(
            f"not translated: {refusal}. Actions are scored by the model, cheapest first: what is "
            f"called optimal or infeasible is proven by scoring all that are cheaper, or all."
        )
    elif refusal:
        _line(
            f"not translated: {refusal}. Answers are searched by asking the model, and verified; "
            f"that nothing smaller would do is not proven."
        )
    else:
        _line(
            "translated whole: exact engines search it. What is called optimal or infeasible is "
            "proven; what is called feasible is verified, and may not be the smallest."
        )
    if reply is None:
        _line("no row of the sample has a decision to be explained")
        return
    _line("a first row:")
    rendering.explanation(out, reply, languages)


def _line(text: str) -> None:
    out.print(text, markup=False)
