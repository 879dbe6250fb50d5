"""Replies for people's eyes. Takes the API's JSON: shows nothing that the API does not say."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from rich.console import Console
from rich.table import Table
from rich.text import Text

Reply = Mapping[str, Any]

_WORDS = {
    "en": {
        "feature": "feature",
        "from": "was",
        "to": "would be",
        "delta": "change",
        "range": "suffices",
        "reading": "reading",
        "rank": "#",
        "prediction": "prediction",
        "score": "score",
    },
    "ko": {
        "feature": "항목",
        "from": "현재",
        "to": "변경 후",
        "delta": "변화",
        "range": "뒤집히는 범위",
        "reading": "측정값",
        "rank": "#",
        "prediction": "예측",
        "score": "점수",
    },
}


def explanation(console: Console, reply: Reply, languages: Sequence[str]) -> None:
    """The sentence in each language, a table of the changes, and how sure the answer is."""
    for tag in languages:
        console.print(Text(reply["text"][tag], style="bold"))
    tag = languages[-1]
    if reply["counterfactuals"]:
        console.print(changes(reply["counterfactuals"], tag))
    console.print(Text(_certainty(reply), style="dim"))


def changes(counterfactuals: Sequence[Reply], tag: str) -> Table:
    """One line for each feature that is set, answers one after another."""
    words = _WORDS[tag]
    columns = ("rank", "feature", "from", "to", "delta")
    table = Table(*(words[c] for c in columns), pad_edge=False)  # 80 characters hold it
    with_range = any("sufficient_range" in a for c in counterfactuals for a in c["actions"])
    if with_range:
        table.add_column(words["range"])
    table.add_column(words["prediction"])
    for found in counterfactuals:
        for i, action in enumerate(found["actions"]):
            unit = f" {action['unit']}" if action["unit"] else ""
            cells = [
                str(found["rank"]) if i == 0 else "",
                action["label"].get(tag, action["feature"]),
                f"{_value(action['from'])}{unit}",
                f"{_value(action['to'])}{unit}",
                f"{action['delta']:+}{unit}" if "delta" in action else "",
            ]
            if with_range:
                low, high = action.get("sufficient_range", ("", ""))
                cells.append(f"{low} – {high}{unit}" if low != "" else "")
            cells.append(prediction(found["prediction"], tag) if i == 0 else "")
            table.add_row(*(Text(cell) for cell in cells))
        for effect in found["effects"]:
            table.add_row(*(Text(cell) for cell in _followed(effect, tag)))
    return table


def _followed(effect: Reply, tag: str) -> list[str]:
    """A feature that follows: rounded, since nobody sets it."""
    unit = f" {effect['unit']}" if effect["unit"] else ""
    numbers = (f"{effect[key]:.6g}{unit}" for key in ("from", "to"))
    label = effect["label"].get(tag, effect["feature"])
    return [
        "",
        f"→ {label}",
        *numbers,
        f"{effect['delta']:+.3g}{unit}" if "delta" in effect else "",
    ]


def readings(instance: Reply, features: Sequence[Reply], tag: str) -> Table:
    """An instance with labels and units."""
    words = _WORDS[tag]
    table = Table(words["feature"], words["reading"])
    for feature in features:
        unit = f" {feature['unit']}" if feature["unit"] else ""
        label = feature["label"].get(tag, feature["name"])
        value = _value(instance[feature["name"]])
        for category in feature["categories"]:
            if category["name"] == value and tag in category["label"]:
                value = f"{value} ({category['label'][tag]})"
        table.add_row(Text(label), Text(f"{value}{unit}"))
    return table


def prediction(said: Reply, tag: str) -> str:
    """``failure (0.93)``, or a regression's score with its unit."""
    label = said.get("label", {}).get(tag) or said.get("class")
    if "score" in said:
        unit = f" {said['unit']}" if said.get("unit") else ""
        score = f"{_WORDS[tag]['score']} {said['score']:.6g}{unit}"
        return f"{label} ({score})" if label else score
    return f"{label} ({_probability(said['probability'])})"


def _certainty(reply: Reply) -> str:
    work = reply["work"]
    cut = ", cut by the deadline" if reply["deadline_hit"] else ""
    return (
        f"{reply['status']}{cut}; {work['rows']:,} model rows in {work['runs']} runs; "
        f"{reply['provenance']['model']} {reply['provenance']['version']}, "
        f"engine {reply['provenance']['engine']}"
    )


def _probability(value: float) -> str:
    """Four digits, and never a 0 or 1 that it is not."""
    shown = f"{value:.4g}"
    if shown == "1" and value < 1:
        return "> 0.9999"
    return shown


def _value(value: object) -> str:
    return "–" if value is None else str(value)
