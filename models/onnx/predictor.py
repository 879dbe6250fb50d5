"""A deployed graph as a function of rows."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from copy import copy
from pathlib import Path

import numpy as np
import numpy.typing as npt
from onnx import ModelProto

from ifonly.models.encoding import BoundEncoding, Encoding, FeatureEncoding, Form, Tensor
from ifonly.models.errors import GraphError
from ifonly.models.naming import are_named, has_names
from ifonly.models.onnx.guard import Guard
from ifonly.models.onnx.outputs import as_matrix, score_columns, score_output
from ifonly.models.onnx.reading import GraphFile, read_graph, tensor_inputs
from ifonly.models.onnx.sessions import Session, open_session
from ifonly.models.onnx.surgery import class_names, keep_output, remove_zipmaps
from ifonly.models.onnx.trial import check_alone, check_probabilities, trial_rows
from ifonly.models.predictor import Rows, Scores, finite
from ifonly.models.rounding import UNKNOWN, Rounding
from ifonly.models.schema import Decision, Feature, Schema, Task
from ifonly.models.spec import OutputBinding, Spec

CHUNK = 4096
"""Most rows that go through the graph at once: memory stays bounded, and nothing is gained
from more (200 trees of depth 6 take 12 us a row from 128 rows on)."""

SHARE = 64
"""Fewest rows worth handing to another thread (0.8 ms of those trees)."""

Run = Callable[[dict[str, Tensor]], Tensor]
"""Graph inputs to the score tensor, all rows at once."""


class OnnxPredictor:
    """A graph in ONNX Runtime that scores rows. Thread-safe."""

    def __init__(
        self,
        graph: GraphFile,
        run: Run,
        encoding: BoundEncoding,
        output: str,
        columns: npt.NDArray[np.intp],
        guard: Guard,
        threads: int = 1,
        rounding: Rounding = UNKNOWN,
    ) -> None:
        self.rounding = rounding
        """How far other sessions' scores of a row may be from those of this one."""
        self.model = graph.model
        """The graph as it is run: the score is its only output."""
        self.sha256 = graph.sha256
        """Digest of the graph as it was read."""
        self.encoding = encoding
        """What stands in each column of its inputs."""
        self.guard = guard
        """Watches over its runs."""
        self._run = run
        self._output = output
        self.columns = columns
        """Columns of the score tensor, in the order of the scores."""
        self._names = tuple(f"{output!r}, column {column}," for column in columns)
        self._batch = fixed_batch(encoding)
        self._threads = threads
        self._pool = ThreadPoolExecutor(threads, "score") if threads > 1 else None

    def score(self, rows: Rows) -> Scores:
        """Scores of ``rows``, ``(n, n_features)``, in float64; see :data:`Scores`.

        Raises
        ------
        GraphError
            If the rows do not fit the model; a :class:`NotFinite` if a score is no finite number.
        """
        # A table with other columns would be scored, wrongly, without a word.
        if has_names(rows) or are_named(rows):
            raise GraphError("rows with names are not scored by position: Schema.rows() sorts them")
        if len(rows) == 0:
            # No rows, yet of the right width, or the error comes later and elsewhere.
            self.encoding.feeds(rows)
            return np.empty((0, len(self.columns)))
        size = self._size(len(rows))
        parts = [rows[at : at + size] for at in range(0, len(rows), size)]
        runs = self._runs(parts)
        raw = runs[0] if len(runs) == 1 else np.concatenate(runs)
        return finite(raw.take(self.columns, axis=1), rows, outputs=self._names)

    def _runs(self, parts: list[Rows]) -> list[Scores]:
        if self._pool is None or len(parts) == 1:
            return [self._raw(part) for part in parts]
        return list(self._pool.map(self._raw, parts))

    def _size(self, n: int) -> int:
        """Rows of one run when there are ``n``."""
        # Shared out among the threads, but no run so short that starting it costs more.
        return self._batch or min(max(-(-n // self._threads), SHARE), CHUNK)

    def knowing(self, rounding: Rounding) -> OnnxPredictor:
        """The same predictor, sharing all it has, and this is known of its rounding."""
        # Shares session and pool: only what is known of it differs.
        other = copy(self)
        other.rounding = rounding
        return other

    def width(self, rows: Rows) -> int:
        """Number of columns of the score tensor, whether they are scores or not."""
        return int(self._raw(rows).shape[1])

    def _raw(self, rows: Rows) -> Scores:
        """Every column of the score tensor for at most one batch of ``rows``."""
        n = len(rows)
        if self._batch is not None and n < self._batch:
            # A graph that takes a fixed number of rows gets the last one repeated.
            rows = np.concatenate([rows, np.repeat(rows[-1:], self._batch - n, axis=0)])
        raw = self._run(self.encoding.feeds(rows))
        return as_matrix(raw, len(rows), self._output)[:n]


def load_predictor(
    model_bytes: bytes,
    spec: Spec,
    *,
    threads: int = 1,
    folder: Path | None = None,
    guard: Guard | None = None,
) -> OnnxPredictor:
    """The model of ``spec``, tried once on a few rows.

    ``threads`` share the rows of one call. Each runs ONNX Runtime on one thread: given more, it
    splits a tree ensemble by rows or by trees as the batch is long or short, adds in another
    order, and a row's score then depends in its last digit on the rows beside it. ``folder`` is
    where tensors may lie that the model keeps in other files; ``guard`` watches over its runs.

    Raises
    ------
    GraphError
        If the graph cannot be read or served, or does not fit the spec; the message names the
        node, the input or the output, and its shape.
    """
    return _load(
        model_bytes, spec.schema, spec.encoding, spec.decision, spec.output, threads, folder, guard
    )


def load_plausibility(
    model_bytes: bytes,
    spec: Spec,
    *,
    threads: int = 1,
    folder: Path | None = None,
    guard: Guard | None = None,
) -> OnnxPredictor:
    """``plausibility.onnx``: takes what the model takes, and yields one score a row.

    Raises
    ------
    GraphError
        As :func:`load_predictor`.
    """
    value = Decision(Task.REGRESSION)
    return _load(
        model_bytes, spec.schema, spec.encoding, value, OutputBinding(), threads, folder, guard
    )


def load_regressor(
    model_bytes: bytes, schema: Schema, *, threads: int = 1, guard: Guard | None = None
) -> OnnxPredictor:
    """A graph that takes the features of ``schema``, categories as codes, and yields one number
    a row: a mechanism of a causal model.

    Raises
    ------
    GraphError
        As :func:`load_predictor`.
    """
    encoding = Encoding(tuple(_as_code(feature) for feature in schema.features))
    value = Decision(Task.REGRESSION)
    return _load(model_bytes, schema, encoding, value, OutputBinding(), threads, None, guard)


def _as_code(feature: Feature) -> FeatureEncoding:
    names, missing = feature.category_names, feature.may_be_missing
    if not feature.kind.is_categorical:
        return FeatureEncoding(feature.name, may_be_missing=missing)
    return FeatureEncoding.of_categories(feature.name, Form.CODES, names, may_be_missing=missing)


def _load(
    model_bytes: bytes,
    schema: Schema,
    encoding: Encoding,
    decision: Decision,
    binding: OutputBinding,
    threads: int,
    folder: Path | None,
    guard: Guard | None,
) -> OnnxPredictor:
    graph = read_graph(model_bytes, folder)
    bound = encoding.bind(tensor_inputs(graph.model))
    # Before ZipMaps go: it is often they that name the classes.
    names_of_columns = class_names(graph.model)
    remove_zipmaps(graph.model)
    output = score_output(graph.model, binding.name)
    keep_output(graph.model, output)
    guard = guard or Guard()
    run = _run(open_session(graph.model, guard), output)

    rows = trial_rows(schema)
    # A graph may leave its output's width open, so one row is run to see it.
    width = OnnxPredictor(graph, run, bound, output, np.arange(0), guard).width(rows[:1])
    columns = score_columns(decision, binding.column, width, names_of_columns(width))
    predictor = OnnxPredictor(graph, run, bound, output, columns, guard, threads)
    _try(predictor, rows, decision)
    return predictor


def _try(predictor: OnnxPredictor, rows: Rows, decision: Decision) -> None:
    together = predictor.score(rows)
    # A row that scores otherwise in company cannot be explained by itself.
    check_alone(together, np.concatenate([predictor.score(row[None]) for row in rows]))
    if decision.task is Task.BINARY:
        check_probabilities(together)


def fixed_batch(encoding: BoundEncoding) -> int | None:
    """Number of rows that every run must have; None where any will do."""
    tensors = [bound.tensor for bound in encoding.inputs]
    fixed = {tensor.name: tensor.shape[0] for tensor in tensors if tensor.shape[0] is not None}
    if len(set(fixed.values())) > 1:
        listed = ", ".join(f"{name!r} takes {size}" for name, size in fixed.items())
        raise GraphError(f"the inputs take different numbers of rows: {listed}")
    return next(iter(fixed.values()), None)


def in_sessions(predictor: OnnxPredictor, threads: Sequence[int]) -> list[OnnxPredictor]:
    """The same graph in sessions as a client may open them, one for each number of threads."""
    own = predictor
    return [
        OnnxPredictor(
            GraphFile(own.model, own.sha256),
            # Not ordered: as a client would open it, who knows nothing of our options.
            _run(open_session(own.model, own.guard, n, ordered=False), own._output),
            own.encoding,
            own._output,
            own.columns,
            own.guard,
        )
        for n in threads
    ]


def run_graph(
    model: ModelProto, outputs: Sequence[str], feeds: dict[str, Tensor]
) -> tuple[Tensor, ...]:
    """Some outputs of a graph that is no predictor, run once.

    Raises
    ------
    GraphError
        If ONNX Runtime refuses the graph or what it is fed.
    """
    return tuple(open_session(model, Guard()).run(outputs, feeds))


def _run(session: Session, output: str) -> Run:
    def run(feeds: dict[str, Tensor]) -> Tensor:
        return session.run([output], feeds)[0]

    return run
