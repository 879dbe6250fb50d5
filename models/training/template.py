"""The spec of the default model: written by hand, its figures filled in when it is trained."""

from __future__ import annotations

from collections.abc import Mapping
from importlib.resources import files
from pathlib import Path
from string import Template

import numpy as np

from ifonly.models.predictor import Rows
from ifonly.models.schema import Schema
from ifonly.models.spec import Spec, parse_spec

NAME = "milling-machine"
SCALED = ("process_temperature", "rotational_speed", "torque")
"""Features whose scale is taken from the training rows."""


def spec_text(version: str, threshold: float, scales: Mapping[str, float], csv: Path | None) -> str:
    """``spec.toml`` of a model trained from simulated parts, or from the file ``csv``."""
    template = files("ifonly.models.training").joinpath("milling.spec.toml.in").read_text("utf-8")
    simulated = {
        "data_en": "Trained on simulated parts after the AI4I 2020 rules.",
        "data_ko": "AI4I 2020 규칙을 따르는 모의 데이터로 학습했습니다.",
        "data_ja": "AI4I 2020の規則に従う模擬データで学習しました。",
    }
    published = {
        "data_en": "Trained on a file in the format of AI4I 2020 (UCI 601).",
        "data_ko": "AI4I 2020(UCI 601) 형식의 파일로 학습했습니다.",
        "data_ja": "AI4I 2020(UCI 601)形式のファイルで学習しました。",
    }
    return Template(template).substitute(
        simulated if csv is None else published,
        version=version,
        threshold=threshold,
        **{f"scale_{name}": scales[name] for name in SCALED},
    )


def untrained_schema() -> Schema:
    """The schema, known before anything is trained."""
    return read_spec(spec_text("0", 0.5, dict.fromkeys(SCALED, 1.0), None)).schema


def read_spec(text: str) -> Spec:
    """The spec that ``text`` declares."""
    return parse_spec(text.encode(), f"{NAME}/spec.toml")


def median_deviations(rows: Rows, schema: Schema) -> dict[str, float]:
    """Median absolute deviation of each of :data:`SCALED`; one resolution where it is 0."""
    scales = {}
    for name in SCALED:
        column = rows[:, schema.index(name)]
        step = float(schema[name].resolution or 1)
        deviation = float(np.median(np.abs(column - np.median(column))))
        # A column that hardly moves must not make every change infinitely dear.
        scales[name] = round(max(deviation, step), 6)
    return scales
