"""Which feature goes to which column of which input."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from ifonly.models.encoding.bound import BoundEncoding, BoundInput, Column, TensorInput
from ifonly.models.encoding.forms import FeatureEncoding, Form, Place
from ifonly.models.errors import GraphError


@dataclass(frozen=True)
class Encoding:
    """How every feature of a row becomes what the graph takes, in schema order."""

    features: tuple[FeatureEncoding, ...]
    window: tuple[int, int] | None = None
    """Of an input of rank 3, its dimensions behind that of rows; None: there is none."""

    def bind(self, inputs: Sequence[TensorInput]) -> BoundEncoding:
        """Lay the features out over the inputs that a graph declares.

        Raises
        ------
        GraphError
            If an input has a rank or type that cannot be fed, a feature has no place, two
            have the same, or a column of an input has none.
        """
        for tensor in inputs:
            _check_rank(tensor, self.window)
        places = _places(self.features, inputs)
        window = self.window or ()
        bound = tuple(
            replace(
                _lay_out(tensor, self.features, places[tensor.name]),
                window=window if len(tensor.shape) == _RANK_OF_WINDOW else (),
            )
            for tensor in inputs
        )
        return BoundEncoding(len(self.features), bound)


_Piece = tuple[int, int, "int | None"]
"""Feature, part (column of its encoding), and the column of the input if it was given."""


_RANK_OF_WINDOW = 3


def _check_rank(tensor: TensorInput, window: tuple[int, int] | None) -> None:
    rank = len(tensor.shape)
    if rank in (1, 2):
        return
    if rank != _RANK_OF_WINDOW:
        raise GraphError(
            f"{tensor} has rank {rank}; served are [rows], [rows, columns] and a window "
            f"[rows, steps, channels] or [rows, channels, steps]"
        )
    if window is None:
        raise GraphError(
            f"{tensor} has rank 3: declare its steps and channels as [window] in spec.toml"
        )
    fits = zip(tensor.shape[1:], window, strict=True)
    if not all(own is None or own == wanted for own, wanted in fits):
        raise GraphError(
            f"{tensor} is no window of [rows, {window[0]}, {window[1]}], as spec.toml has it: see "
            f"window.steps, window.layout and the number of features"
        )


def _places(
    encodings: Sequence[FeatureEncoding], inputs: Sequence[TensorInput]
) -> Mapping[str, list[_Piece]]:
    """For each input, the pieces that belong there, in schema order."""
    places: dict[str, list[_Piece]] = {tensor.name: [] for tensor in inputs}
    rest = _remaining(encodings, places)
    for feature, encoding in enumerate(encodings):
        if encoding.form is Form.UNREAD:
            continue
        parts: Sequence[tuple[str, int | None]]
        if encoding.place.names:
            parts = [(name, None) for name in encoding.place.names]
        else:
            name = _input_of(encoding, places, rest)
            first = encoding.place.column
            parts = [(name, None if first is None else first + k) for k in range(encoding.width)]
        for part, (name, column) in enumerate(parts):
            if name not in places:
                raise GraphError(
                    f"{encoding.name} goes to input {name!r}, but the graph has {_known(places)}"
                )
            places[name].append((feature, part, column))
    return places


def _remaining(encodings: Sequence[FeatureEncoding], names: Mapping[str, object]) -> list[str]:
    """Inputs that no feature claims by name: where the others go."""
    # One matrix takes everything, whatever it is called.
    if len(names) == 1:
        return list(names)
    claimed = {e.place.name for e in encodings if e.place.name}
    claimed |= {name for e in encodings for name in e.place.names}
    claimed |= {e.name for e in encodings if e.place == Place()}
    return [name for name in names if name not in claimed]


def _input_of(encoding: FeatureEncoding, names: Mapping[str, object], rest: list[str]) -> str:
    if encoding.place.name is not None:
        return encoding.place.name
    if encoding.place.column is None and encoding.name in names:
        return encoding.name
    # What has no place of its own goes where others do, if there is but one such input.
    if len(rest) == 1:
        return rest[0]
    raise GraphError(
        f"{encoding.name} has no place in the graph, which has {_known(names)}: "
        f"name one in the feature's `input`"
    )


def _known(names: Mapping[str, object]) -> str:
    return "inputs " + ", ".join(repr(n) for n in names) if names else "no inputs"


def _lay_out(
    tensor: TensorInput, encodings: tuple[FeatureEncoding, ...], pieces: list[_Piece]
) -> BoundInput:
    if not pieces:
        raise GraphError(f"{tensor} gets no feature: name it in a feature's `input`")
    given = [column for _, _, column in pieces if column is not None]
    # Counting on from what others name would put columns where nobody meant them.
    if given and len(given) < len(pieces):
        loose = next(encodings[f].name for f, _, column in pieces if column is None)
        raise GraphError(f"{tensor}: some features name their column, but {loose} does not")
    places = given or list(range(len(pieces)))
    _check_columns(tensor, [encodings[f].name for f, _, _ in pieces], places)
    columns = [
        Column(tensor.name, place, feature, _values(encodings[feature], part))
        for place, (feature, part, _) in zip(places, pieces, strict=True)
    ]
    for column in columns:
        _check_type(tensor, encodings[column.feature])
    return BoundInput(tensor, tuple(sorted(columns, key=lambda c: c.column)), encodings)


def _values(encoding: FeatureEncoding, part: int) -> tuple[float | str, ...] | None:
    return tuple(line[part] for line in encoding.table) if encoding.table else None


def _check_columns(tensor: TensorInput, names: list[str], places: list[int]) -> None:
    """Each column of the input has exactly one feature."""
    taken: dict[int, str] = {}
    for name, place in zip(names, places, strict=True):
        if place in taken:
            raise GraphError(f"{tensor}: column {place} is both {taken[place]} and {name}")
        taken[place] = name
    # An open width is as wide as what is laid out on it.
    width = tensor.width if tensor.width is not None else max(taken) + 1
    beyond = {place: name for place, name in taken.items() if place >= width}
    gaps = [str(place) for place in range(width) if place not in taken]
    if beyond or gaps:
        problem = [f"column {place} ({name}) is not there" for place, name in beyond.items()]
        problem += [f"no feature for column {', '.join(gaps)}"] if gaps else []
        raise GraphError(
            f"{tensor} has {width} columns, the features take {len(taken)}: {'; '.join(problem)}"
        )


def _check_type(tensor: TensorInput, encoding: FeatureEncoding) -> None:
    """The input's type can hold whatever this feature may be."""
    text = encoding.form is Form.STRING
    if text != (tensor.dtype == object):
        takes = "strings" if tensor.dtype == object else "numbers"
        raise GraphError(
            f"{tensor} takes {takes}, but {encoding.name} has encoding {encoding.form}"
        )
    if tensor.dtype.kind not in "iub":
        return
    if not encoding.whole:
        raise GraphError(f"{tensor} takes whole numbers, but {encoding.name} is not always whole")
    if encoding.may_be_missing and encoding.missing != 0.0:
        raise GraphError(
            f"{encoding.name} may be missing (NaN), but {tensor} takes whole numbers only"
        )
