"""What a folder's files may cost: refused by counting, before anything is made of them."""

from __future__ import annotations

import io
import tracemalloc
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ifonly.models.document import MAX_PROBLEMS
from ifonly.models.errors import SpecError
from ifonly.models.repository import reference
from ifonly.models.repository.folder import Folder
from ifonly.models.repository.reference import MAX_EXAMPLES, PIECE, read_examples, read_reference
from ifonly.models.schema import Feature, Kind, Schema
from ifonly.models.spec import parse_spec
from ifonly.models.toml_bounds import (
    MAX_BYTES,
    MAX_DEPTH,
    MAX_PARTS,
    MAX_TABLES,
    MAX_VALUES,
    problem_of,
)
from tests.unit.models.spec_example import FULL

SCHEMA = Schema(tuple(Feature(name, Kind.CONTINUOUS, lower=-1e9, upper=1e9) for name in ("a", "b")))

TOO_MUCH = {
    "tables": "".join(f"[t{i}]\n" for i in range(MAX_TABLES + 1)),
    "keys": "".join(f"k{i}=1\n" for i in range(MAX_VALUES + 1)),
    "items": "a=[" + "1," * MAX_VALUES + "1]",
    "parts of a key": "a." * MAX_PARTS + "a=1",
    "a megabyte of them": "a." * 500_000 + "a=1",
    "quoted parts": '"="."#".' * MAX_PARTS + "a=1",
    "spaced parts": "'=' . a\t." * MAX_PARTS + "a=1",
    "parts of a table's name": f"[{'a.' * MAX_PARTS}a]",
    "parts within": "x={" + "a." * MAX_PARTS + "a=1}",
    "levels": "a=" + "[" * (MAX_DEPTH + 1) + "]" * (MAX_DEPTH + 1),
    "levels of tables": "a=" + "{a=" * (MAX_DEPTH + 1) + "1" + "}" * (MAX_DEPTH + 1),
    "bytes": "#" * (MAX_BYTES + 1),
}


@pytest.mark.parametrize("text", TOO_MUCH.values(), ids=TOO_MUCH)
def test_a_spec_that_is_too_much_is_not_parsed(text: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("ifonly.models.document.tomllib.loads", pytest.fail)
    with pytest.raises(SpecError) as refused:
        parse_spec(text.encode(), "spec.toml")
    assert len(str(refused.value)) < 200


@pytest.mark.parametrize(
    "text",
    [
        f"a = '{'x.' * 1_000}'",
        f'a = """\n{"x. " * 1_000}"""',
        f"# {'a.' * 1_000}",
        "a = [" + "0.5, " * 1_000 + "]",
        f"a = '''{'[' * 1_000}''' # {'[' * 1_000}",
        '"' + "\\" * 10 + '[[[[" = 1',
        FULL,
    ],
)
def test_what_stands_in_texts_and_comments_is_not_counted(text: str) -> None:
    assert problem_of(text) is None


@pytest.mark.parametrize("sign", ['"', "'", '"""', "'''", '"\\', "[", "a.", "=", "#", "\\"])
def test_any_text_is_counted_in_one_pass(sign: str) -> None:
    """One that began again behind each sign would take minutes here."""
    problem_of(sign * (MAX_BYTES // len(sign)))


@given(st.text(alphabet="ab.=[]{}\"'\\#,\n ", max_size=60))
def test_any_text_is_refused_as_a_spec(text: str) -> None:
    with pytest.raises(SpecError):
        parse_spec(text.encode(), "spec.toml")


@pytest.mark.parametrize("number", ["9" * 5_000, "1e" + "9" * 30, "0x" + "f" * 9_000])
def test_a_number_that_python_does_not_read_is_named(number: str) -> None:
    with pytest.raises(SpecError, match="number"):
        parse_spec(f"a = {number}".encode(), "spec.toml")


def test_a_spec_that_is_wrong_everywhere_is_told_a_hundred_times() -> None:
    text = "".join(f"{'k' * 500}{i}=1\n" for i in range(3_000))
    with pytest.raises(SpecError) as refused:
        parse_spec(text.encode(), "spec.toml")
    assert len(refused.value.problems) <= MAX_PROBLEMS
    assert len(str(refused.value)) < 100_000


def test_a_long_table_is_read_piece_by_piece() -> None:
    rows = 3 * PIECE + 7
    text = "b,a\n" + "".join(f"{i},{-i}\n" for i in range(rows))
    found = read_reference(text.encode(), SCHEMA, "reference.csv")
    assert found.shape == (rows, 2)
    assert found[:, 1].tolist() == list(range(rows))
    wrong = text + "1,x\n"
    with pytest.raises(SpecError, match=f"row {rows + 1}: "):
        read_reference(wrong.encode(), SCHEMA, "reference.csv")
    with pytest.raises(SpecError, match=f"row {rows + 1} has 1 cells"):
        read_reference((text + "1\n").encode(), SCHEMA, "reference.csv")


def test_a_table_takes_the_memory_of_its_numbers() -> None:
    text = b"a,b\n" + b"0,0\n" * 200_000
    tracemalloc.start()
    try:
        found = read_reference(text, SCHEMA, "reference.csv")
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert found.shape == (200_000, 2)
    assert peak < 4 * found.nbytes


@pytest.mark.parametrize(
    ("text", "why"),
    [
        (b"a,b\n" + b"," * 2_000_000, "line of more than"),
        (b"," * 2_000_000, "line of more than"),
        (b"a,b\n" + b"1,1\n" * 3 * PIECE, "cells"),
        (b"a,b\n" + b'"' + b"1\n" * 100_000, "field larger"),
        (b"a,b\n\xff\n", "UTF-8"),
        (b",".join(b"c%d" % i for i in range(9_000)) + b"\n1\n", "has columns"),
    ],
)
def test_a_table_that_is_too_much_is_refused(
    text: bytes, why: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(reference, "MAX_CELLS", 2 * PIECE)
    with pytest.raises(SpecError, match=why) as refused:
        read_reference(text, SCHEMA, "reference.csv")
    assert len(str(refused.value)) < 2_000


def test_examples_are_not_without_number_or_bottom() -> None:
    with pytest.raises(SpecError, match="1,001 examples"):
        read_examples(b"[" + b"1," * MAX_EXAMPLES + b"1]", SCHEMA, "examples.json")
    with pytest.raises(SpecError, match="not JSON"):
        read_examples(b"[" * 100_000, SCHEMA, "examples.json")


@pytest.mark.parametrize("name", ["spec.toml", "causal.toml", "reference.csv", "examples.json"])
def test_a_file_that_is_too_long_is_not_read(name: str, tmp_path: Path) -> None:
    (tmp_path / "m" / "1").mkdir(parents=True)
    with (tmp_path / "m" / "1" / name).open("wb") as file:
        file.seek(300 << 20, io.SEEK_SET)
        file.write(b"0")
    with pytest.raises(SpecError, match="longer than"):
        Folder(tmp_path / "m" / "1", tmp_path).read(name)
