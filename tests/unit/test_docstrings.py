"""The examples in docstrings run and print what they say."""

from __future__ import annotations

import doctest
import importlib
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]


def with_examples() -> list[str]:
    """Names of the modules in whose text there is an example."""
    tops = ("explainers", "ifonly", "models", "service")
    files = [file for top in tops for file in (ROOT / top).rglob("*.py")]
    given = sorted(file.relative_to(ROOT) for file in files if ">>> " in file.read_text("utf-8"))
    return [".".join(path.with_suffix("").parts) for path in given]


@pytest.mark.parametrize("name", with_examples())
def test_the_examples_of_a_module_print_what_they_say(name: str) -> None:
    tried = doctest.testmod(importlib.import_module(name))
    assert tried.attempted
    assert not tried.failed


def test_no_example_is_skipped() -> None:
    for name in with_examples():
        text = (ROOT / name.replace(".", "/")).with_suffix(".py").read_text("utf-8")
        assert "doctest: +SKIP" not in text
