"""Which version is asked where none is named: chosen, taken back, by one of several at a time."""

from __future__ import annotations

import os
import threading
from pathlib import Path

import pytest

from ifonly.models.errors import UnknownModel
from ifonly.models.repository import Repository
from ifonly.models.repository.activation import (
    FILE,
    FOLDER,
    Activation,
    activate,
    following,
    last_activation,
)
from tests.unit.models.test_repository import deploy


def chosen(root: Path, name: str, version: str, versions: list[str]) -> bool:
    step = following(versions, version, last_activation(root, name), "a record")
    return activate(root, name, step)


def loaded(root: Path) -> Repository:
    repository = Repository(root)
    repository.load()
    return repository


def three(root: Path) -> list[str]:
    versions = ["1", "2", "10"]
    for factor, version in enumerate(versions, 1):
        deploy(root, version=version, factor=factor)
    return versions


def test_what_was_taken_back_is_asked_by_its_name_only(tmp_path: Path) -> None:
    assert chosen(tmp_path, "m", "2", three(tmp_path))
    repository = loaded(tmp_path)
    assert repository.get("m").version == "2"
    assert repository.get("m", "10").version == "10"
    assert repository.versions("m") == ("1", "2", "10")


def test_an_activation_is_seen_by_whoever_looks_next_and_said_once(tmp_path: Path) -> None:
    versions = three(tmp_path)
    repository = loaded(tmp_path)
    assert repository.get("m").version == "10"
    assert chosen(tmp_path, "m", "1", versions)
    assert repository.refresh().activated == ("m/1",)
    assert repository.get("m").version == "1"
    assert repository.refresh().activated == ()


def test_a_folder_that_comes_later_is_asked_as_ever(tmp_path: Path) -> None:
    assert chosen(tmp_path, "m", "2", three(tmp_path))
    deploy(tmp_path, version="11", factor=4)
    assert loaded(tmp_path).get("m").version == "11"


def test_what_was_taken_back_does_not_come_again_because_a_later_one_goes(tmp_path: Path) -> None:
    versions = three(tmp_path)
    assert chosen(tmp_path, "m", "1", versions)
    assert chosen(tmp_path, "m", "2", versions)
    assert last_activation(tmp_path, "m") == Activation(2, "2", ("10",), "a record")
    assert chosen(tmp_path, "m", "10", versions)
    assert loaded(tmp_path).get("m").version == "10"


def test_a_model_of_which_every_version_was_taken_back_is_not_asked(tmp_path: Path) -> None:
    deploy(tmp_path, version="2")
    assert chosen(tmp_path, "m", "1", ["1", "2"])
    repository = loaded(tmp_path)
    with pytest.raises(UnknownModel, match="was taken back: 2"):
        repository.get("m")
    assert repository.get("m", "2").version == "2"


def test_of_many_who_decide_at_once_one_does(tmp_path: Path) -> None:
    versions = three(tmp_path)
    start, done = threading.Barrier(16), []

    def decide(version: str) -> None:
        step = following(versions, version, None, version)
        start.wait()
        done.append(activate(tmp_path, "m", step))

    threads = [threading.Thread(target=decide, args=(versions[i % 3],)) for i in range(16)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(done) == [False] * 15 + [True]
    found = last_activation(tmp_path, "m")
    assert found is not None
    assert found.version == found.record
    # Whoever lost leaves nothing.
    assert [p.name for p in (tmp_path / FOLDER / "m").iterdir()] == ["1"]


def test_whoever_is_killed_before_the_rename_has_decided_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    versions = three(tmp_path)
    assert chosen(tmp_path, "m", "2", versions)

    def killed(source: object, target: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr(os, "rename", killed)
        with pytest.raises(KeyboardInterrupt):
            chosen(tmp_path, "m", "1", versions)
    assert loaded(tmp_path).get("m").version == "2"
    assert chosen(tmp_path, "m", "1", versions)
    assert loaded(tmp_path).get("m").version == "1"


@pytest.mark.parametrize(
    "text", ["", "[]", '{"version": 1, "withdrawn": []}', '{"version": "1", "withdrawn": [1]}']
)
def test_one_that_cannot_be_read_leaves_the_one_before(tmp_path: Path, text: str) -> None:
    assert chosen(tmp_path, "m", "2", three(tmp_path))
    forged = tmp_path / FOLDER / "m" / "7"
    forged.mkdir()
    (forged / FILE).write_text(text)
    assert loaded(tmp_path).get("m").version == "2"


def test_what_is_no_folder_of_activations_decides_nothing(tmp_path: Path) -> None:
    three(tmp_path)
    (tmp_path / FOLDER).write_text("a file")
    assert loaded(tmp_path).get("m").version == "10"
