"""Replies for people's eyes. Takes the API's JSON: shows nothing that the API does not say."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any

from rich.console import Console
from rich.table import Table
from rich.text import Text

from ifonly.explainers.wording import is_language
from ifonly.explainers.wording.conventions import conventions_of
from ifonly.explainers.wording.numerals import count, exactly, figure, percentage
from ifonly.service.words.catalogue import say
from ifonly.service.words.claims import confirmed_in_words
from ifonly.service.words.menu import verdict
from ifonly.service.words.time import length
from ifonly.service.words.typography import percents
from ifonly.service.words.ways import resolved

Reply = Mapping[str, Any]


def explanation(console: Console, reply: Reply, languages: Sequence[str]) -> None:
    """The sentence in each language, a table of the changes, and how sure the answer is."""
    for tag in languages:
        console.print(_text(reply["text"][tag], tag, style="bold"))
    tag = languages[-1]
    if reply["counterfactuals"]:
        console.print(changes(reply["counterfactuals"], tag))
    if reply.get("ways"):
        console.print(ways(reply, tag))
    for found in reply["counterfactuals"]:
        if found.get("joint_box"):
            console.print(_text(found["joint_box"]["text"][tag], tag))
    if reply.get("menu"):
        console.print(menu(reply["menu"], tag))
        console.print(_text(reply["menu"]["text"][tag], tag))
    console.print(_text(certainty(reply, tag), tag, style="dim"))
    confirmed = confirmed_in_words(reply)
    if confirmed is not None:
        console.print(_text(confirmed[tag], tag, style="dim"))


def what_if(console: Console, reply: Reply, languages: Sequence[str]) -> None:
    """What is said before and after, what moves, and, over time, when."""
    tag, course = languages[-1], reply.get("trajectory")
    before, after = (prediction(reply["prediction"][end], tag) for end in ("before", "after"))
    console.print(_text(f"{before} → {after}", tag, style="bold"))
    table = Table(*(_head(c, tag) for c in ("feature", "from", "to", "delta")), pad_edge=False)
    for action in reply["actions"]:
        table.add_row(*(Text(cell) for cell in _set(action, tag)))
    for effect in reply["effects"]:
        table.add_row(*(Text(cell) for cell in _followed(effect, tag)[1:]))
    console.print(table)
    if course is not None:
        for language in languages:
            console.print(_text(course["text"][language], language))
        console.print(moments(reply, course, tag))


def moments(reply: Reply, course: Reply, tag: str) -> Table:
    """A line for each step of a what-if over time."""
    assert is_language(tag)
    parts = (*reply["actions"], *reply["effects"])
    labels = {p["feature"]: p["label"].get(tag, p["feature"]) for p in parts}
    names = [a["feature"] for a in course["arrivals"]]
    table = Table(say("cli.after", tag), *(labels.get(n, n) for n in names), pad_edge=False)
    table.add_column(_head("prediction", tag))
    for moment in course["moments"]:
        values = (moment["instance"][name] for name in names)
        cells = (figure(v, 6) if isinstance(v, float) else _value(v) for v in values)
        time = length(moment["at"], course["unit"], tag)
        said = prediction(moment["prediction"], tag)
        table.add_row(*(Text(cell) for cell in (time, *cells, said)))
    return table


def _set(action: Reply, tag: str) -> list[str]:
    unit = action["unit"]
    return [
        action["label"].get(tag, action["feature"]),
        *(_quantity(_value(action[end]), unit, tag) for end in ("from", "to")),
        _quantity(exactly(action["delta"], signed=True), unit, tag) if "delta" in action else "",
    ]


def changes(counterfactuals: Sequence[Reply], tag: str) -> Table:
    """One line for each feature that is set, answers one after another."""
    columns = ("rank", "feature", "from", "to", "delta")
    table = Table(*(_head(c, tag) for c in columns), pad_edge=False)  # 80 characters hold it
    # A column of empty cells would push the table beyond 80 characters.
    with_range = any("sufficient_range" in a for c in counterfactuals for a in c["actions"])
    if with_range:
        table.add_column(_head("range", tag))
    table.add_column(_head("prediction", tag))
    for found in counterfactuals:
        for i, action in enumerate(found["actions"]):
            cells = [str(found["rank"]) if i == 0 else "", *_set(action, tag)]
            if with_range:
                low, high = action.get("sufficient_range", ("", ""))
                last = _quantity(_value(high), action["unit"], tag)
                cells.append(f"{_value(low)} – {last}" if low != "" else "")
            cells.append(prediction(found["prediction"], tag) if i == 0 else "")
            table.add_row(*(_text(cell, tag) for cell in cells))
        for effect in found["effects"]:
            table.add_row(*(Text(cell) for cell in _followed(effect, tag)))
    return table


def ways(reply: Reply, tag: str) -> Table:
    """A line for each named way: what it sets, what that costs, and what is claimed of it."""
    assert is_language(tag)
    table = Table(*(_head(c, tag) for c in ("way", "sets", "cost", "claim")), pad_edge=False)
    for way, found in resolved(reply):
        sets = "" if found is None else ", ".join(map(partial(_becomes, tag), found["actions"]))
        cost = "" if found is None else figure(found["cost"], 3)
        cells = (say(f"ways.{way['name']}", tag), sets, cost, way["text"][tag])
        table.add_row(*(_text(cell, tag) for cell in cells))
    return table


def menu_alone(console: Console, reply: Reply, languages: Sequence[str]) -> None:
    """What each few levers can do, and nothing else; without a menu, why there is none."""
    tag, told = languages[-1], reply.get("menu")
    if told is not None:
        console.print(menu(told, tag))
    for language in languages:
        said = reply["text"] if told is None else told["text"]
        console.print(_text(said[language], language))
    console.print(_text(certainty(reply, tag), tag, style="dim"))


def menu(told: Reply, tag: str) -> Table:
    """A line for each set of levers: what it can do alone, and what that costs."""
    assert is_language(tag)
    heads = (say(f"menu.{head}", tag) for head in ("set", "verdict", "change", "cost"))
    table = Table(*heads, pad_edge=False)
    for some in told["sets"]:
        found = some.get("counterfactual")
        sets = ", ".join(map(partial(_becomes, tag), found["actions"])) if found else ""
        cost = figure(found["cost"], 3) if found else ""
        cells = (some["label"][tag], verdict(some, told, tag), sets, cost)
        table.add_row(*(_text(cell, tag) for cell in cells))
    return table


def _becomes(tag: str, action: Reply) -> str:
    name, _, to, _ = _set(action, tag)
    return f"{name} {to}"


def _followed(effect: Reply, tag: str) -> list[str]:
    """A feature that follows: rounded, since nobody sets it."""
    unit = effect["unit"]
    # Effects are computed: no sensor reads all of their digits.
    numbers = (_quantity(figure(effect[key], 6), unit, tag) for key in ("from", "to"))
    label = effect["label"].get(tag, effect["feature"])
    return [
        "",
        f"→ {label}",
        *numbers,
        _quantity(figure(effect["delta"], 3, signed=True), unit, tag) if "delta" in effect else "",
    ]


def readings(instance: Reply, features: Sequence[Reply], tag: str) -> Table:
    """An instance with labels and units."""
    table = Table(_head("feature", tag), _head("reading", tag))
    for feature in features:
        label = feature["label"].get(tag, feature["name"])
        value = _value(instance[feature["name"]])
        for category in feature["categories"]:
            if category["name"] == value and tag in category["label"]:
                value = f"{value} ({category['label'][tag]})"
        table.add_row(Text(label), Text(_quantity(value, feature["unit"], tag)))
    return table


def prediction(said: Reply, tag: str) -> str:
    """``failure (93.0 %)``, or a regression's score with its unit."""
    label = said.get("label", {}).get(tag) or said.get("class")
    if "score" in said:
        number = _quantity(figure(said["score"], 6), said.get("unit") or "", tag)
        score = f"{_head('score', tag)} {number}"
        return f"{label} ({score})" if label else score
    return f"{label} ({percentage(said['probability'])})"


def certainty(reply: Reply, tag: str) -> str:
    """What is claimed, by which engine, and how many rows the model was asked about."""
    assert is_language(tag)
    work, provenance = reply["work"], reply["provenance"]
    said = [say(f"status.{reply['status']}", tag)]
    said += [say("status.in_doubt", tag)] if reply.get("doubts") else []
    said += [say("cli.cut", tag)] if reply["deadline_hit"] else []
    return say(
        "cli.certainty",
        tag,
        claim=", ".join(said),
        rows=count(work["rows"]),
        runs=count(work["runs"]),
        model=f"{provenance['model']} {provenance['version']}",
        engine=provenance["engine"],
    )


def _quantity(number: str, unit: str, tag: str) -> str:
    """``53.2 Nm``, ``216분``"""
    return conventions_of(tag).behind(number, unit)


def _text(text: str, tag: str, style: str = "") -> Text:
    return Text(percents(text, tag, " "), style=style)


def _head(name: str, tag: str) -> str:
    """The heading of a column."""
    assert is_language(tag)
    return say(f"cli.{name}", tag)


def _value(value: object) -> str:
    """As it was given: text as it is, a number with all its digits."""
    if isinstance(value, int | float) and not isinstance(value, bool):
        return exactly(value)
    return "–" if value is None else str(value)
