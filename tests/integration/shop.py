"""A folder with a model's file, a sample, a repository, and the command line that registers it."""

from __future__ import annotations

import os
import tomllib
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import onnx
    import pandas as pd


class Shop:
    """A folder with a file, a sample, and a repository; and the command line."""

    def __init__(self, path: Path, run: Callable[..., Any]) -> None:
        self.path, self.models, self.command = path, path / "models", run

    def add(
        self, graph: onnx.ModelProto | bytes, table: pd.DataFrame, *options: str, yes: bool = True
    ) -> Any:
        content = graph if isinstance(graph, bytes) else graph.SerializeToString()
        (self.path / "m.onnx").write_bytes(content)
        table.to_csv(self.path / "rows.csv", index=False)
        return self.run("m.onnx", "rows.csv", *options, *(["--yes"] if yes else []))

    def run(self, file: str, data: str, *options: str) -> Any:
        return self.command(
            "models", "add", str(self.path / file), "--data", str(self.path / data),
            "--models", str(self.models), "--lang", "en", *options,
        )  # fmt: skip

    def spec(self, version: str = "1") -> dict[str, Any]:
        return tomllib.loads(self.text(version))

    def text(self, version: str = "1") -> str:
        return (self.models / "m" / version / "spec.toml").read_text(encoding="utf-8")

    @property
    def left(self) -> list[str]:
        return sorted(os.listdir(self.models)) if self.models.exists() else []


def features(spec: dict[str, Any]) -> dict[str, dict[str, Any]]:
    return {feature["name"]: feature for feature in spec["features"]}


def added(found: Any) -> str:
    assert found.code == 0, found.err
    assert found.err == ""
    told: str = found.out
    return told
