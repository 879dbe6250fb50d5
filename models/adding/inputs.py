"""Which column of a sample goes to which input of a graph, and in what form."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from decimal import Decimal
from itertools import groupby

import numpy as np

from ifonly.models.adding.questions import Asker, Question
from ifonly.models.adding.table import Columns, typed
from ifonly.models.adding.windows import SampledWindows, is_window, sampled
from ifonly.models.encoding import Encoding, FeatureEncoding, Form, Place, TensorInput
from ifonly.models.errors import GraphError
from ifonly.models.sample import Sample, read_sample
from ifonly.models.schema import Category, Feature, Kind, Schema

_MOST_RANK = 3
_PARTS = re.compile(r"^(?P<group>.+?)(?:__|[_=:.\[ ])(?P<category>[^_=:.\[\] ]+)\]?$")


@dataclass(frozen=True, eq=False)
class Inputs:
    """What the graph reads, as features."""

    sample: Sample
    encoding: Encoding
    ordered: frozenset[str] = frozenset()
    """Features whose categories are codes, in an order that was asked."""
    windows: SampledWindows | None = None
    """Of a graph that reads windows: then a row of the sample is one, unrolled."""
    channels: Sample | None = None
    """The sample as it was given, whose columns are the channels of a window."""

    @property
    def wide(self) -> Schema:
        """The features with the bounds that a spec gives them."""
        schema = self.sample.schema
        features = tuple(
            f if f.kind.is_categorical else replace(f, lower=low, upper=high)
            for f in schema.features
            for low, high in [bounds_of(f)]
        )
        return replace(schema, features=features)


def read_inputs(tensors: Sequence[TensorInput], columns: Columns, ask: Asker) -> Inputs:
    """Features of ``columns``, laid out over the inputs of a graph.

    Raises
    ------
    GraphError
        If an input is no table of features, or has no column.
    DataError
        If a column holds what its input cannot take.
    """
    for tensor in tensors:
        if len(tensor.shape) > _MOST_RANK:
            raise GraphError(
                f"{tensor} has rank {len(tensor.shape)}: images and volumes are no rows of features"
            )
    if is_window(tensors):
        dtype = tensors[0].dtype
        channels = read_sample(
            {name: typed(name, cells, dtype) for name, cells in columns.items()}, list(columns)
        )
        found = sampled(tensors[0], channels, ask)
        return Inputs(found.sample, found.encoding, windows=found, channels=channels)
    # Encoding.bind finds the inputs again by what is laid out here.
    where = _columns_of_inputs(tensors, columns)
    types = {name: tensor.dtype for tensor, names in where for name in names}
    read = {name: typed(name, columns[name], dtype) for name, dtype in types.items()}
    sample = read_sample(read, list(read))
    ordered = frozenset(
        f.name
        for f in sample.schema.features
        if f.kind.is_categorical and types[f.name] != np.dtype(object)
    )
    sample = _in_order(sample, ordered, ask)
    places = {
        name: Place(tensor.name)
        for tensor, names in where
        for name in names
        if len(tensors) > 1 and tensor.name != name
    }
    encodings = [
        replace(
            encoding_of(f, as_text=types[f.name] == np.dtype(object)),
            place=places.get(f.name, Place()),
        )
        for f in sample.schema.features
    ]
    laid_out = Inputs(sample, Encoding(tuple(encodings)), ordered)
    if any(tensor.dtype == object for tensor in tensors):
        return laid_out
    return _grouped(laid_out, one_a_column=len(tensors) > 1)


def encoding_of(feature: Feature, *, as_text: bool) -> FeatureEncoding:
    """What a graph takes that was made for such a column."""
    missing = feature.may_be_missing
    if not feature.kind.is_categorical:
        is_whole = feature.kind is Kind.INTEGER
        return FeatureEncoding(feature.name, whole=is_whole, may_be_missing=missing)
    form = Form.STRING if as_text else Form.CODES
    names = feature.category_names
    return FeatureEncoding.of_categories(feature.name, form, names, may_be_missing=missing)


def _columns_of_inputs(
    tensors: Sequence[TensorInput], columns: Columns
) -> list[tuple[TensorInput, list[str]]]:
    if len(tensors) == 1:
        return [(tensors[0], _all_of(tensors[0], list(columns)))]
    # Converters make identifiers of names.
    plain = {_identifier(name): name for name in columns}
    own = {t.name: plain[_identifier(t.name)] for t in tensors if _identifier(t.name) in plain}
    rest = [name for name in columns if name not in own.values()]
    several = [t for t in tensors if t.name not in own]
    if len(several) > 1 or (several and several[0].width == 1):
        lacking = ", ".join(str(t) for t in several)
        raise GraphError(f"no column of the sample is called as {lacking}: {', '.join(columns)}")
    return [
        (t, [own[t.name]] if t.name in own else _all_of(t, rest))
        for t in tensors
    ]  # fmt: skip


def _all_of(tensor: TensorInput, names: list[str]) -> list[str]:
    if tensor.width is not None and tensor.width != len(names):
        raise GraphError(
            f"{tensor} has {tensor.width} columns, the sample {len(names)} for it "
            f"({', '.join(names)}): name those that the model reads, in its order, by --columns"
        )
    return names


def _identifier(name: str) -> str:
    return re.sub(r"\W+", "_", name).strip("_").casefold()


def bounds_of(feature: Feature) -> tuple[float, float]:
    """Readings that are taken for valid: half as wide again as the sample on either side, and not
    below 0 where the sample never is; of a switch its two ends."""
    low, high = feature.lower, feature.upper
    if feature.kind.is_categorical or low == high:
        return low, high
    if feature.kind is Kind.INTEGER and high - low == 1:
        return low, high
    step = float(feature.resolution or 1)
    # On its grid, in as few digits as the sample's own.
    margin = max(round((high - low) / 2 / step), 1) * step
    wide = (Decimal(repr(low)) - Decimal(repr(margin)), Decimal(repr(high)) + Decimal(repr(margin)))
    least = 0.0 if low >= 0 else float(wide[0])
    most = 0.0 if high <= 0 else float(wide[1])
    return max(least, float(wide[0])), min(most, float(wide[1]))


# --- categories that a graph takes as codes -------------------------------------------------------


def _in_order(sample: Sample, names: frozenset[str], ask: Asker) -> Sample:
    """Categories in the order of their codes, which only whoever trained the model knows."""
    features, rows = list(sample.schema.features), sample.rows.copy()
    for j, feature in enumerate(features):
        if feature.name not in names:
            continue
        known = feature.category_names
        told = ask(
            Question(
                f"codes:{feature.name}",
                f"{feature.name} has the texts {', '.join(known)}, and the graph takes numbers: "
                f"which text is 0, which 1, …?",
                ",".join(known),
            )
        )
        order = [part.strip() for part in told.split(",")]
        # There may be more than the sample has.
        if len(set(order)) < len(order) or not set(known) <= set(order):
            raise GraphError(f"codes:{feature.name} are {told!r}, not all of {', '.join(known)}")
        codes = np.array([order.index(name) for name in known], dtype=np.float64)
        seen = ~np.isnan(rows[:, j])
        rows[seen, j] = codes[rows[seen, j].astype(np.intp)]
        features[j] = replace(feature, categories=tuple(map(Category, order)))
    return replace(sample, schema=Schema(tuple(features)), rows=rows)


# --- 0/1 columns that are one feature -------------------------------------------------------------


def _grouped(inputs: Inputs, *, one_a_column: bool) -> Inputs:
    """Columns ``a_x``, ``a_y``, … beside each other, one of which is 1 in each row, as ``a``."""
    sample, features, encodings, rows = inputs.sample, [], [], []
    for group, places in _groups(sample):
        own = [sample.schema.features[j] for j in places]
        if group is None:
            features += own
            encodings += [inputs.encoding.features[j] for j in places]
            rows += [sample.rows[:, j] for j in places]
            continue
        names = [_split(f.name)[1] for f in own]
        feature = Feature(group, Kind.NOMINAL, categories=tuple(map(Category, names)))
        hot = Place(names=tuple(f.name for f in own)) if one_a_column else Place()
        features.append(feature)
        encodings.append(
            FeatureEncoding.of_categories(group, Form.ONE_HOT, names, place=hot)
        )  # fmt: skip
        rows.append(np.argmax(sample.rows[:, places], axis=1).astype(np.float64))
    merged = replace(sample, schema=Schema(tuple(features)), rows=np.column_stack(rows))
    return replace(inputs, sample=merged, encoding=Encoding(tuple(encodings)))


def _groups(sample: Sample) -> list[tuple[str | None, list[int]]]:
    """Positions of columns, those of a group together under its name."""
    found: list[tuple[str | None, list[int]]] = []
    taken = set(sample.schema.names)
    names = sample.schema.names
    for group, places in groupby(range(len(names)), key=lambda j: _split(names[j])[0]):
        own = list(places)
        cells = sample.rows[:, own]
        is_one_hot = (
            len(own) > 1
            and group not in taken
            and bool(np.isin(cells, (0.0, 1.0)).all() and (cells.sum(axis=1) == 1.0).all())
        )
        found.append((group if is_one_hot else None, own))
    return found


def _split(name: str) -> tuple[str, str]:
    parts = _PARTS.match(name)
    # A name of its own, which no neighbour has.
    return (parts["group"], parts["category"]) if parts else (name, "")
