"""``causal.toml`` and what it names: carried with a model, read by others."""

from __future__ import annotations

import hashlib

from ifonly.models.errors import SpecError
from ifonly.models.repository import Repository
from tests.unit.models.test_repository import deploy


def test_a_model_without_a_causal_file_has_none(tmp_path):
    folder = deploy(tmp_path)
    (folder / "mechanisms").mkdir()
    (folder / "mechanisms" / "a.json").write_bytes(b"unused")
    repository = Repository(tmp_path)
    repository.load()
    model = repository.get("m")
    assert (model.causal, model.causal_sha256, model.causal_files) == (None, "", {})


def test_the_causal_file_and_its_mechanisms_come_as_they_are(tmp_path):
    folder = deploy(tmp_path)
    (folder / "causal.toml").write_bytes(b"any bytes")
    (folder / "mechanisms" / "deeper").mkdir(parents=True)
    (folder / "mechanisms" / "a.json").write_bytes(b"1")
    (folder / "mechanisms" / ".hidden").write_bytes(b"2")
    repository = Repository(tmp_path)
    repository.load()
    model = repository.get("m")
    assert model.causal == b"any bytes"
    assert model.causal_sha256 == hashlib.sha256(b"any bytes").hexdigest()
    assert model.causal_files == {"mechanisms/a.json": b"1"}


def test_a_changed_mechanism_reloads_the_model(tmp_path):
    folder = deploy(tmp_path)
    (folder / "causal.toml").write_bytes(b"graph")
    (folder / "mechanisms").mkdir()
    (folder / "mechanisms" / "a.json").write_bytes(b"1")
    repository = Repository(tmp_path)
    repository.load()
    assert repository.refresh().loaded == ()
    (folder / "mechanisms" / "a.json").write_bytes(b"22")
    assert repository.refresh().loaded == ("m/1",)
    assert repository.get("m").causal_files == {"mechanisms/a.json": b"22"}


def test_a_mechanism_that_is_a_link_out_of_the_repository_is_refused(tmp_path):
    folder = deploy(tmp_path / "root")
    (tmp_path / "secret").write_bytes(b"x")
    (folder / "causal.toml").write_bytes(b"graph")
    (folder / "mechanisms").mkdir()
    (folder / "mechanisms" / "a.json").symlink_to(tmp_path / "secret")
    repository = Repository(tmp_path / "root")
    repository.load()
    assert "leaves the repository" in repository.refused["m/1"].reason


def test_a_graph_that_is_refused_refuses_the_model(tmp_path):
    folder = deploy(tmp_path)
    (folder / "causal.toml").write_bytes(b"graph")

    def prepare(model):
        raise SpecError("m/1/causal.toml", "edges", "form a loop: a -> b -> a")

    repository = Repository(tmp_path, prepare)
    repository.load()
    assert repository.names() == ()
    assert repository.refused["m/1"].reason == "m/1/causal.toml: edges: form a loop: a -> b -> a"
