"""The file of anchors: lines are whole, and what is wrong with one is said."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

from ifonly.service.store import anchors
from ifonly.service.store.anchors import read_down, write_down
from ifonly.service.store.chain import Head, IntegrityFinding, Record, seal


def anchor(number: int) -> Record:
    heads = {"a": Head(number, "a" * 64), "b": Head(7, "b" * 64)}
    return seal(anchors.facts(heads, "test"), "writer", Head(number, "c" * 64), None)


def heads(found: list[tuple[str, Head] | IntegrityFinding | str]) -> list[tuple[str, int]]:
    return [(each[0], each[1].sequence) for each in found if isinstance(each, tuple)]


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "anchors.jsonl"
    for number in (1, 2):
        write_down(path, anchor(number))
    return path


def test_every_head_is_read_back(file: Path) -> None:
    found = list(read_down(file))
    assert heads(found) == [
        ("writer", 2), ("a", 1), ("b", 7), ("writer", 3), ("a", 2), ("b", 7),
    ]  # fmt: skip


@pytest.mark.parametrize("left", [1, 40, 200])
def test_a_last_line_that_was_cut_off_is_tolerated_and_named(file: Path, left: int) -> None:
    first, second = file.read_bytes().splitlines(keepends=True)
    file.write_bytes(first + second[:left])
    found = list(read_down(file))
    assert heads(found) == [("writer", 2), ("a", 1), ("b", 7)]
    assert found[3:] == [
        "line 2 of anchors.jsonl was cut off while it was written: what it anchored is not checked"
    ]
    write_down(file, anchor(3))  # after a restart: it is not written into the torn one
    assert heads(list(read_down(file)))[3:] == [("writer", 4), ("a", 3), ("b", 7)]


def test_zeros_that_a_file_system_left_are_named(file: Path) -> None:
    file.write_bytes(file.read_bytes() + bytes(512))
    assert len([each for each in read_down(file) if isinstance(each, str)]) == 1


@pytest.mark.parametrize("lie", ["head", "kind", "text", "shape"])
def test_a_line_that_was_altered_is_a_finding(file: Path, lie: str) -> None:
    first, second = file.read_bytes().splitlines(keepends=True)
    other = {
        "head": second.replace(b'"a":[2,', b'"a":[9,'),
        "kind": second.replace(b'"anchor"', b'"review"'),
        "text": b"no anchor\n",
        "shape": json.dumps([1, 2]).encode() + b"\n",
    }[lie]
    file.write_bytes(first + other)
    *kept, finding = read_down(file)
    assert len(kept) == 3
    assert isinstance(finding, IntegrityFinding)
    assert "line 2 of anchors.jsonl" in finding.text


def test_a_line_is_written_whole_however_little_is_taken_at_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = os.write
    monkeypatch.setattr(os, "write", lambda handle, data: whole(handle, data[:7]))
    write_down(tmp_path / "anchors.jsonl", anchor(1))
    assert len(heads(list(read_down(tmp_path / "anchors.jsonl")))) == 3
