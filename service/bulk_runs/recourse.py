"""The recourse report of a whole file: the auditors' counts, of what a run wrote."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from ifonly.explainers.infeasible_subsystem import liftable
from ifonly.explainers.wording import LANGUAGES
from ifonly.explainers.wording.numerals import count
from ifonly.models.schema import Feature, Labels
from ifonly.service.ask import read_request
from ifonly.service.ask.question import problem_of
from ifonly.service.ask.warming import row_of
from ifonly.service.audit.fairness import table as fairness_table
from ifonly.service.audit.fairness.measuring import FairnessQuestion, compared
from ifonly.service.audit.fairness.telling import FairnessScope
from ifonly.service.audit.fairness.telling import told as fairness_told
from ifonly.service.audit.recourse_by_group import groups, table
from ifonly.service.audit.recourse_by_group.cases import RecourseCase
from ifonly.service.audit.recourse_by_group.common_changes import CommonChange
from ifonly.service.audit.recourse_by_group.report import RecourseReport, VerdictCounts, report
from ifonly.service.audit.recourse_by_group.telling import ReportScope, told
from ifonly.service.bulk_runs import joining
from ifonly.service.bulk_runs.asked_before import input_before, options_before, plan_before
from ifonly.service.bulk_runs.common_change import CohortQuestion, common_change
from ifonly.service.bulk_runs.discrepancies import RunVerification
from ifonly.service.bulk_runs.planning import Plan
from ifonly.service.bulk_runs.reading.source import RowSource
from ifonly.service.bulk_runs.records import StoreLedger
from ifonly.service.bulk_runs.rereading import WrittenAnswers
from ifonly.service.bulk_runs.targets import OutputTarget
from ifonly.service.bulk_runs.verification import held, model_before
from ifonly.service.bulk_runs.written_cases import BOUNDS, COLUMNS, NO_EXPLANATION, CaseReader
from ifonly.service.errors import CannotBulk
from ifonly.service.served.registry import Registry, ServedModel
from ifonly.service.wire import validation
from ifonly.service.wire.fairness import LEAST, FairnessReply
from ifonly.service.wire.report import ReportReply
from ifonly.service.wire.requests import ExplanationRequest
from ifonly.service.words.catalogue import say_all


@dataclass(frozen=True)
class FileQuestion:
    """What is asked about a file of answers."""

    by: tuple[str, ...] = ()
    """Columns that make groups, of the answers or of the input; of a feature also its name. The
    first is that of the report's own groups."""
    given: str | None = None
    """Where the input is now; None: where it was."""
    common: CohortQuestion | None = None
    least: int = LEAST
    """Rows in a group, and outside of it, below which none is tested."""


@dataclass(frozen=True)
class FileRecourse:
    """The report of a file."""

    report: RecourseReport
    reply: ReportReply
    verification: RunVerification
    fairness: FairnessReply | None = None
    """Between groups by all columns that were asked for, and what they have in common; None: none
    was."""

    def as_json(self) -> dict[str, Any]:
        run = self.verification.manifest
        kept = ("id", "begun", "ended", "identity", "rows", "counts")
        return {
            "run": {key: run[key] for key in kept},
            "verification": self.verification.as_json(),
            "report": self.reply.model_dump(mode="json", by_alias=True),
            **({} if self.fairness is None else {"fairness": self.fairness.as_mapping()}),
        }

    def as_csv(self, language: str) -> bytes:
        rows = list(table.rows(self.report, language))
        if self.fairness is not None:
            rows += fairness_table.short_rows(self.fairness, language)
        return table.as_csv(table.HEADER, rows)


def recourse(
    out: str, registry: Registry, ledger: StoreLedger | None, question: FileQuestion
) -> FileRecourse:
    """The report of the answers at ``out``, which are held against their digests first.

    Raises
    ------
    CannotBulk
        If there is nothing that can be reported on.
    InvalidRequest
        If there is no such column, or no change for many can be asked for.
    """
    target, verification = held(out, ledger)
    return _FileReport(target, verification, registry, question).made()


@dataclass(frozen=True)
class _Grouping:
    """Where it is said of which group a line is."""

    kind: str
    name: str
    column: str | None
    values: Mapping[int, Any]

    def value(self, line: Mapping[str, Any]) -> Any:
        if self.column is not None:
            return line.get(self.column)
        return self.values.get(line.get("row", -1))


class _FileReport:
    def __init__(
        self,
        target: OutputTarget,
        verification: RunVerification,
        registry: Registry,
        question: FileQuestion,
    ) -> None:
        self._target, self._verification, self._question = target, verification, question
        self._said = verification.manifest
        identity = self._said["identity"]
        self._model = model_before(registry, identity)
        self._features: dict[str, Feature] = {}
        words: Mapping[str, Labels] = {}
        if self._model is not None:
            self._features = {f.name: f for f in self._model.schema.features}
            words = rule_words(self._model, self._said)
        self._reader = CaseReader(identity["spec_sha256"], words)
        output = self._said["output"]
        self._written = WrittenAnswers(target, output["files"], tuple(output["columns"]))
        self._input: tuple[Plan, RowSource] | None = None

    def made(self) -> FileRecourse:
        hows = self._by()
        how = hows[0] if hows else None
        found = self._cases(hows)
        if not found and not self._left_out():
            rows = self._said["rows"]
            raise CannotBulk(
                f"{self._target.given} has no explanation: nothing to report of its {rows:,} rows"
            )
        common, notes = self._common(found)
        made = report(found, groups.by(found, self._features, how), ())
        # Nobody judges lines of a file; verdicts are on records.
        made = replace(made, verdicts=VerdictCounts(), common=common)
        said = self._said
        scope = ReportScope(said["identity"]["model"], said["begun"], said["ended"], how)
        reply = told(made, found, self._features, scope)
        notes = [*self._notes(), *notes]
        return FileRecourse(
            made,
            reply.model_copy(update={"notes": [*reply.notes, *map(dict, notes)]}),
            self._verification,
            self._fairness(found, hows, scope),
        )

    # --- cases --------------------------------------------------------------------------------

    def _by(self) -> tuple[str, ...]:
        """As the API's query has them."""
        called = self._said["how"]["names"]
        found = []
        for name in self._question.by:
            own = [f for f in self._features if name in (f, called.get(f, f))]
            found.append(f"feature:{own[0]}" if own else f"attribute:{name}")
        return tuple(dict.fromkeys(found))

    def _fairness(
        self, found: Sequence[RecourseCase], hows: tuple[str, ...], scope: ReportScope
    ) -> FairnessReply | None:
        if not hows:
            return None
        question = FairnessQuestion(hows, self._question.least)
        of = FairnessScope(scope.model, scope.since, scope.until)
        return fairness_told(compared(found, self._features, question), self._features, of)

    def _cases(self, hows: Sequence[str]) -> list[RecourseCase]:
        missing = [name for name in COLUMNS if name not in self._written.columns]
        if missing:
            raise CannotBulk(
                f"{self._target.given} has no column {missing[0]}: a report needs "
                f"{', '.join(COLUMNS)} (ifonly bulk --columns)"
            )
        sources = [_Grouping(*how.partition(":")[::2], *self._values(how)) for how in hows]
        bounds = [name for name in BOUNDS if name in self._written.columns]
        kept = [source.column for source in sources if source.column is not None]
        wanted = list(dict.fromkeys(["row", *COLUMNS, *bounds, *kept]))
        found = []
        # Most rows need nothing, and many of them are alike: one object for all of these.
        alike: dict[Any, RecourseCase | None] = {}
        for line in self._written.rows(None, wanted):
            instance, attributes = dict[str, Any](), dict[str, Any]()
            for source in sources:
                value = source.value(line)
                if source.kind == "feature":
                    if value is not None:
                        value = self._reading(source.name, value, line)
                    instance[source.name] = value
                elif value is not None:
                    attributes[source.name] = str(value)
            key = (str(line.get("status")), *map(str, instance.items()), *attributes.items())
            if key in alike:
                case = alike[key]
            else:
                case = self._reader.case(line, instance, attributes)
                if case is None or not case.needs_recourse:
                    alike[key] = case
            if case is not None:
                found.append(case)
        return found

    def _values(self, by: str) -> tuple[str | None, Mapping[int, Any]]:
        """The column of the answers that makes groups; or what the input has, by row."""
        kind, _, name = by.partition(":")
        how = self._said["how"]
        column = how["names"].get(name, name) if kind == "feature" else name
        if column in how["keep"]:
            return column, {}
        if column == how["id"] and "id" in self._written.columns:
            return "id", {}
        plan, source = self._read_again("--by " + column)
        if kind == "attribute":
            return None, joining.column(plan, source, name)
        return None, {n: row[name] for n, row in joining.instances(plan, source, None)}

    def _reading(self, name: str, value: Any, line: Mapping[str, Any]) -> Any:
        if self._features[name].kind.is_categorical:
            return str(value)
        try:
            return float(value)
        except (TypeError, ValueError):
            raise CannotBulk(f"row {line.get('row')}: {name} is {value!r}, no number") from None

    def _read_again(self, what: str) -> tuple[Plan, RowSource]:
        if self._input is None:
            if self._model is None:
                identity = self._said["identity"]
                raise CannotBulk(
                    f"{what} needs the model: {identity['model']} {identity['version']} with "
                    f"model_sha256 {identity['model_sha256']} is not here"
                )
            try:
                source = input_before(self._said["input"], self._said["how"], self._question.given)
            except CannotBulk as error:
                raise CannotBulk(f"{what} needs the input: {error}; --input says where") from None
            plan = plan_before(self._said, self._target, self._model, source)
            self._input = plan, source
        return self._input

    # --- one change for many --------------------------------------------------------------------

    def _common(
        self, found: Sequence[RecourseCase]
    ) -> tuple[tuple[CommonChange, ...], list[Labels]]:
        asked = self._question.common
        if asked is None:
            return (), []
        alarms = sorted(int(case.id) for case in found if case.needs_recourse)
        if not alarms:
            return (), []
        plan, source = self._read_again("--common")
        numbers = asked.drawn(alarms)
        rows = [row for _, row in joining.instances(plan, source, frozenset(numbers))]
        if len(rows) != len(numbers):
            raise CannotBulk(f"{source.given} has not all rows of {self._target.given}")
        change = common_change(plan.model, self._said, rows, asked)
        if len(numbers) == len(alarms):
            return (change,), []
        drawn = say_all("recourse.file_drawn", count=count(len(numbers)), of=count(len(alarms)))
        return (change,), [drawn]

    # --- notes ----------------------------------------------------------------------------------

    def _left_out(self) -> int:
        said = self._said
        return int(said["rows"]) - int(said["output"]["rows"])

    def _notes(self) -> Iterator[Labels]:
        said = self._said
        none = sum(said["counts"].get(status, 0) for status in NO_EXPLANATION)
        if none:
            yield say_all("recourse.file_none", count=count(none))
        if self._left_out():
            yield say_all("recourse.file_left_out", count=count(self._left_out()))
        if said["deadline_hit"]:
            yield say_all("bulk.cut_rows", cut=count(said["deadline_hit"]))
        if self._model is None:
            yield say_all("recourse.file_no_model")


def rule_words(model: ServedModel, said: Mapping[str, Any]) -> Mapping[str, Labels]:
    """What each constraint of a run says, by key and language.

    Raises
    ------
    InvalidRequest
        If the model cannot be asked so any more.
    """
    # An instance is part of any request; which one does not matter here.
    body = {**options_before(said).request, "instance": {"of": "every row"}}
    request = validation.read(ExplanationRequest, body)
    question = read_request.question_of_rows(request, model)
    problem = problem_of(model, replace(question, factual=row_of(model)))
    return {
        blocker.origin.key: {tag: model.wording.constraint(blocker, tag) for tag in LANGUAGES}
        for blocker in liftable(problem)
    }
