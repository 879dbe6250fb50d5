"""What can go wrong with a deployed model.

ModelError
├── SpecError          the spec of a model folder is broken: file, key, value, limit
├── GraphError         model.onnx cannot be read or cannot be served
│   ├── NotFinite      a score is NaN or infinite: row, output, value
│   └── OutOfService   a graph broke a limit, so its model is asked nothing any more
├── ParityError        the exported graph differs from the model that was trained
├── DataError          training data cannot be used: file, line, column, value
├── UnknownModel       no model of that name or version is deployed
└── InvalidInstance    a request's row is outside the model's input space
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass


class ModelError(Exception):
    """Base of every error that ``models`` raises on purpose."""


@dataclass(frozen=True, slots=True)
class SpecProblem:
    """One rule that a spec breaks."""

    key: str
    """Dotted path, e.g. ``features[3].bounds``; empty when the whole file is meant."""
    problem: str
    """A sentence that names the value and the limit."""

    def __str__(self) -> str:
        return f"{self.key}: {self.problem}" if self.key else self.problem


class SpecError(ModelError):
    """A model folder's spec breaks a rule; the message names file, key, value and limit.

    :attr:`key` and :attr:`problem` are the first problem's; :attr:`problems` has them all.
    """

    def __init__(
        self, file: str, key: str, problem: str, others: Sequence[SpecProblem] = ()
    ) -> None:
        self.file = file
        self.key = key
        self.problem = problem
        self.problems = (SpecProblem(key, problem), *others)
        super().__init__("\n".join(f"{file}: {p}" for p in self.problems))

    @classmethod
    def of(cls, file: str, problems: Sequence[SpecProblem]) -> SpecError:
        """All of ``problems``, at least one, as one error."""
        first, *others = problems
        return cls(file, first.key, first.problem, others)

    def __reduce__(self) -> tuple[type[SpecError], tuple[object, ...]]:
        # An exception pickles as its message alone; ours must cross a process pool whole.
        return type(self), (self.file, self.key, self.problem, self.problems[1:])


class GraphError(ModelError):
    """An ONNX graph that cannot be read or served; the message says which part and why."""


class NotFinite(GraphError):
    """A model, or another scorer, gave a row a score that is no finite number."""

    def __init__(self, scorer: str, output: str, value: float, place: int, row: Sequence[float]):
        self.scorer = scorer
        """Who scored: ``model``, ``plausibility``, a mechanism."""
        self.output = output
        """Which of its outputs, by name or position."""
        self.value = value
        self.place = place
        """Position of the row among those of the call."""
        self.row = tuple(row)
        """What it holds, in schema order."""
        super().__init__(
            f"{scorer}: output {output} is {value} for row {place}, {list(self.row)}; "
            f"a score is a finite number"
        )

    def __reduce__(self) -> tuple[type[NotFinite], tuple[object, ...]]:
        # An exception pickles as its message alone; ours must cross a process pool whole.
        return type(self), (self.scorer, self.output, self.value, self.place, self.row)


class OutOfService(GraphError):
    """A graph took more time or memory than it may: nothing is asked of its model any more."""

    def __init__(self, model: str, fault: str) -> None:
        self.model = model
        """Its name and version."""
        self.fault = fault
        super().__init__(f"{model} is out of service: {fault}")

    def __reduce__(self) -> tuple[type[OutOfService], tuple[object, ...]]:
        # An exception pickles as its message alone; ours must cross a process pool whole.
        return type(self), (self.model, self.fault)


class ParityError(ModelError):
    """The exported graph does not decide as the trained model does."""


class DataError(ModelError):
    """Training data that cannot be used; the message names file, line, column and value."""

    def __init__(self, file: str, problem: str, *, line: int | None = None) -> None:
        self.file = file
        self.line = line
        self.problem = problem
        super().__init__(f"{file}, line {line}: {problem}" if line else f"{file}: {problem}")

    def __reduce__(self) -> tuple[type[DataError], tuple[object, ...], dict[str, object]]:
        return type(self), (self.file, self.problem), {"line": self.line, "args": self.args}


class UnknownModel(ModelError):
    """No model of that name (and version) is deployed."""


@dataclass(frozen=True, slots=True)
class FieldProblem:
    """One thing wrong with one field of a request."""

    field: str
    """Name of the feature."""
    problem: str
    """A sentence that names the field, the value, the unit and the limit."""
    value: object = None
    unit: str = ""
    limit: object = None


class InvalidInstance(ModelError):
    """A request's row is outside the model's input space; every problem is listed."""

    def __init__(self, problems: Sequence[FieldProblem]) -> None:
        self.problems = tuple(problems)
        super().__init__("; ".join(p.problem for p in self.problems))

    def __reduce__(self) -> tuple[type[InvalidInstance], tuple[object, ...]]:
        # An exception pickles as its message alone; ours must cross a process pool whole.
        return type(self), (self.problems,)
