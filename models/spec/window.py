"""``[window]`` of a spec: features are channels, and the rest of the file is unrolled over steps.

What speaks of a channel is said of its columns: what may be set becomes what its profiles may do,
what may be read becomes what each of its readings may be. Whoever reads the policy, the search as
the checker, reads the unrolled one.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from decimal import Decimal
from typing import Any

from ifonly.models.document import Document
from ifonly.models.encoding import Encoding, FeatureEncoding, Form, Place
from ifonly.models.errors import SpecProblem
from ifonly.models.schema import Feature
from ifonly.models.spec.window_labels import profile_labels, reading_labels
from ifonly.models.window import (
    AT,
    ChannelProfile,
    Period,
    ProfileShape,
    Window,
    WindowLayout,
    WindowSchema,
)

MOST_READINGS = 4_096
MOST_PROFILES = 24
"""Of one channel: each is a lever, and excludes the others."""
MOST_RULE = 900
"""Characters of a generated rule; the language takes 1,000."""
_INFINITY = Decimal("inf")
_SENSELESS = ("only_to", "cost_matrix", "fillable", "phrases")
"""Keys of a feature's policy that say nothing of a channel."""
_OF_LEVERS = ("direction", "max_change", "weight", "scale", "fixed_cost", "why")
_Problem = tuple[str, str]


# --- what is wrong --------------------------------------------------------------------------------


def window_contradictions(document: Document) -> Iterator[SpecProblem]:
    """Problems of ``[window]`` and of what a spec with one says of its channels."""
    table = document.get("window")
    entries = document.get("policy", {}).get("features", {})
    if table is None:
        for name, entry in entries.items():
            if "profiles" in entry:
                key = f"policy.features.{name}.profiles"
                yield SpecProblem(key, "is given, but the spec has no [window]")
        return
    period = None
    try:
        period = Period.read(table["period"])
    except ValueError as error:
        yield SpecProblem("window.period", str(error))
    n = len(document["features"]) * table["steps"]
    if n > MOST_READINGS:
        yield SpecProblem("window.steps", f"makes {n:,} readings, above {MOST_READINGS:,}")
    for i, feature in enumerate(document["features"]):
        for key, problem in _channel(feature):
            yield SpecProblem(f"features[{i}]{key}", f"{feature['name']} {problem}")
    yield from _rows(document)
    if "predictor" in document:
        yield SpecProblem("predictor", "is given; a window is scored by a graph in the folder")
    for name, entry in entries.items():
        for key in _SENSELESS:
            if key in entry:
                yield SpecProblem(
                    f"policy.features.{name}.{key}", "has no meaning for a channel of a window"
                )
        if period is not None:
            for below, problem in _profiles(entry, period, table["steps"]):
                yield SpecProblem(f"policy.features.{name}.profiles{below}", problem)


def _channel(feature: Document) -> Iterator[_Problem]:
    if feature["kind"] not in ("continuous", "integer"):
        yield ".kind", f"is {feature['kind']}: a channel of a window is a number"
    if AT in feature["name"]:
        yield ".name", f"has {AT!r} in it, which stands between a channel and a step"


def _rows(document: Document) -> Iterator[SpecProblem]:
    places = [feature.get("input", {}) for feature in document["features"]]
    names = {place.get("name") for place in places}
    if len(names) > 1:
        yield SpecProblem("features", "go to several inputs; a window goes to one")
    columns = [place.get("column") for place in places]
    given = [column for column in columns if column is not None]
    if given and sorted(given) != list(range(len(columns))):
        told = f"are {given}, not each of 0 to {len(columns) - 1} once"
        yield SpecProblem("features", f"have input columns that {told}: they number the channels")


def _profiles(entry: Document, period: Period, steps: int) -> Iterator[_Problem]:
    tables = entry.get("profiles", ())
    if tables and entry.get("actionable") is False:
        yield "", "is given, but nothing can be set: actionable = false"
    found: list[tuple[str, int]] = []
    for i, table in enumerate(tables):
        is_constant = table["shape"] == ProfileShape.CONSTANT
        if is_constant and "from" in table:
            yield f"[{i}].from", "has no meaning: a constant moves the whole window"
        elif not is_constant and "from" not in table:
            yield f"[{i}].from", f"is missing: a {table['shape']} begins some time before"
        if is_constant:
            # The same as a step from the beginning of the window.
            yield from _once(f"[{i}]", "a constant", (ProfileShape.STEP, steps), found)
        for k, text in enumerate(table.get("from", ())):
            try:
                back = steps_back(text, period, steps)
            except ValueError as error:
                yield f"[{i}].from[{k}]", str(error)
                continue
            yield from _once(f"[{i}].from[{k}]", repr(text), (table["shape"], back), found)
    if len(found) > MOST_PROFILES:
        yield "", f"are {len(found)}, above {MOST_PROFILES}"


def _once(
    key: str, said: str, own: tuple[str, int], found: list[tuple[str, int]]
) -> Iterator[_Problem]:
    if own in found:
        yield key, f"has {said}, which moves the channel as one before does"
    found.append(own)


def steps_back(text: str, period: Period, steps: int) -> int:
    """How many of the last steps begin ``text`` before now.

    Raises
    ------
    ValueError
        If it is no whole number of periods within the window.
    """
    count = Period.read(text).seconds / period.seconds
    if count.denominator != 1 or not 1 <= count <= steps:
        whole = period.times(steps)
        raise ValueError(f"is {text!r}, not a whole number of {period} up to {whole}, the window")
    return int(count)


# --- the window -----------------------------------------------------------------------------------


def read_window(document: Document, channels: Sequence[Feature]) -> Window | None:
    """The window of a document that contradicts nothing; None if it declares none."""
    table = document.get("window")
    if table is None:
        return None
    period, entries = Period.read(table["period"]), document.get("policy", {}).get("features", {})
    profiles = [
        profile
        for c, channel in enumerate(channels)
        for profile in _profiles_of(c, channel, entries.get(channel.name, {}), period, table)
    ]
    layout = WindowLayout(table.get("layout", WindowLayout.STEPS_CHANNELS))
    return Window(tuple(channels), table["steps"], period, layout, tuple(profiles))


def _profiles_of(
    c: int, channel: Feature, entry: Document, period: Period, table: Document
) -> Iterator[ChannelProfile]:
    if channel.resolution is None or entry.get("actionable") is False:
        return
    steps = table["steps"]
    # One that may be set, and of which no profile is declared, is moved as a whole.
    for each in entry.get("profiles", [{"shape": ProfileShape.CONSTANT}]):
        shape = ProfileShape(each["shape"])
        if shape is ProfileShape.CONSTANT:
            yield ChannelProfile(c, shape, steps)
        for text in each.get("from", ()):
            yield ChannelProfile(c, shape, steps_back(text, period, steps))


def window_schema(window: Window, document: Document) -> WindowSchema:
    """The columns of an unrolled window."""
    entries = document.get("policy", {}).get("features", {})
    readings = (
        _reading(window, c, t, entries.get(channel.name, {}))
        for c, channel in enumerate(window.channels)
        for t in range(window.steps)
    )
    levers = (
        _lever(window, p, entries.get(window.channels[p.channel].name, {})) for p in window.profiles
    )
    return WindowSchema((*readings, *levers), window=window)


def _settable(channel: Feature, entry: Document) -> tuple[float, float]:
    """The least and greatest reading that a profile may lead to."""
    low, high = map(float, entry.get("range", (channel.lower, channel.upper)))
    return max(low, channel.lower), min(high, channel.upper)


def _reading(window: Window, c: int, t: int, entry: Document) -> Feature:
    channel = window.channels[c]
    low, high = _settable(channel, entry)
    return Feature(
        window.reading_name(c, t),
        channel.kind,
        channel.unit,
        # Where a reading moves it must stay in what may be set; one that is beyond may stay.
        low,
        high,
        may_be_missing=channel.may_be_missing,
        labels=reading_labels(channel, window, t),
        description=channel.description,
    )


def _lever(window: Window, profile: ChannelProfile, entry: Document) -> Feature:
    channel = window.channels[profile.channel]
    low, high = _settable(channel, entry)
    # From one end of what is read to the other of what may be set.
    down, up = low - channel.upper, high - channel.lower
    if "max_change" in entry:
        most = float(entry["max_change"])
        down, up = max(down, -most), min(up, most)
    return Feature(
        window.profile_name(profile),
        channel.kind,
        channel.unit,
        down,
        up,
        channel.resolution,
        labels=profile_labels(channel, window, profile),
        description=channel.description,
    )


def window_encoding(window: Window, document: Document) -> Encoding:
    """Each reading at its place in the graph's window; amounts of profiles are not read by it."""
    places = [feature.get("input", {}) for feature in document["features"]]
    order = [place.get("column", c) for c, place in enumerate(places)]
    readings = [
        FeatureEncoding(
            window.reading_name(c, t),
            whole=channel.kind == "integer",
            may_be_missing=channel.may_be_missing,
            place=Place(places[c].get("name"), window.place(order[c], t)),
        )
        for c, channel in enumerate(window.channels)
        for t in range(window.steps)
    ]
    levers = [FeatureEncoding(window.profile_name(p), Form.UNREAD) for p in window.profiles]
    return Encoding((*readings, *levers), window.shape)


# --- the policy -----------------------------------------------------------------------------------


def unrolled_policy(policy: Mapping[str, Any], window: Window) -> dict[str, Any]:
    """The ``[policy]`` table, of columns where it speaks of channels."""
    own = policy.get("features", {})
    features: dict[str, Any] = {}
    for c, channel in enumerate(window.channels):
        entry = own.get(channel.name, {})
        reading = {key: entry[key] for key in ("tolerance", "why") if key in entry}
        reading["actionable"] = False
        for t in range(window.steps):
            features[window.reading_name(c, t)] = reading
        lever = {key: entry[key] for key in _OF_LEVERS if key in entry}
        for column in window.levers(c):
            profile = window.profile_at(column)
            assert profile is not None
            features[window.profile_name(profile)] = lever
    rules = [*policy.get("rules", ()), *({"rule": text} for text in exclusions(window))]
    return {**policy, "features": features, **({"rules": rules} if rules else {})}


def exclusions(window: Window) -> Iterator[str]:
    """Rules that a channel is moved by one profile at most."""
    for c in range(len(window.channels)):
        profiles = [p for p in window.profiles if p.channel == c]
        names = [f"`{window.profile_name(p)}`" for p in profiles]
        for i, name in enumerate(names[:-1]):
            text = ""
            for other in names[i + 1 :]:
                said = f"{other} stays"
                if text and len(text) + len(said) > MOST_RULE:
                    yield text
                    text = ""
                text = f"{text} and {said}" if text else f"if {name} changes then {said}"
            yield text
