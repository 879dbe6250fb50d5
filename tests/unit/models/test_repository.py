"""The repository on a real file system, with real graphs."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import threading
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from onnx import helper

from ifonly.models.errors import SpecError, UnknownModel
from ifonly.models.repository import Repository, load_folder
from ifonly.models.repository.naming import natural
from tests.unit.models.graphs import (
    REGRESSION,
    graph_of,
    number,
    quality,
    spec_text,
    stump,
    sum_graph,
    value,
)

FEATURES = (number("a"), number("b"), number("c"))


def times_graph(factor: float) -> bytes:
    """The sum of three columns times ``factor``: versions that can be told apart."""
    nodes = [
        helper.make_node("ReduceSum", ["x", "axes"], ["s"], keepdims=1),
        helper.make_node("Mul", ["s", "factor"], ["y"]),
    ]
    constants = {"axes": np.array([1]), "factor": np.array([factor], dtype=np.float32)}
    model = graph_of(nodes, [value("x", [None, 3])], [value("y", [None, 1])], constants)
    data: bytes = model.SerializeToString()
    return data


def deploy(root: Path, name: str = "m", version: str = "1", factor: float = 1.0, more="") -> Path:
    folder = root / name / version
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "model.onnx").write_bytes(times_graph(factor))
    text = spec_text(REGRESSION, *FEATURES, name=name, version=version)
    (folder / "spec.toml").write_bytes(text + more.encode())
    return folder


def loaded(root: Path) -> Repository:
    repository = Repository(root)
    repository.load()
    return repository


def factor_of(repository, name="m", version=None) -> float:
    return float(repository.get(name, version).predictor.score(np.array([[1.0, 0, 0]]))[0, 0])


# --- what is served ---------------------------------------------------------------------------


def test_a_folder_becomes_a_model_with_its_digests(tmp_path):
    folder = deploy(tmp_path)
    model = loaded(tmp_path).get("m")
    assert (model.name, model.version, model.folder) == ("m", "1", folder)
    for name, digest in (("model.onnx", model.model_sha256), ("spec.toml", model.spec_sha256)):
        assert digest == hashlib.sha256((folder / name).read_bytes()).hexdigest()
    assert (model.reference, model.plausibility, model.examples, model.parity) == (
        None,
        None,
        (),
        None,
    )


def test_the_latest_version_is_the_largest_in_natural_order(tmp_path):
    for i, version in enumerate(["1", "10", "2", "1.9", "1.10"]):
        deploy(tmp_path, version=version, factor=i)
    repository = loaded(tmp_path)
    assert repository.versions("m") == ("1", "1.9", "1.10", "2", "10")
    assert repository.get("m").version == "10"
    assert factor_of(repository, version="1.10") == 4.0
    assert [m.version for m in repository.models()] == ["1", "1.9", "1.10", "2", "10"]


@pytest.mark.parametrize(
    ("versions", "latest"),
    [
        (["1", "01"], "1"),
        (["v2", "v10"], "v10"),
        (["2024-09-30", "2024-10-01"], "2024-10-01"),
        (["1.0", "1.0-rc1"], "1.0-rc1"),
    ],
)
def test_versions_of_other_kinds_have_an_order_too(versions, latest):
    assert max(versions, key=natural) == latest


def test_names_are_sorted(tmp_path):
    for name in ("b", "a", "c-1"):
        deploy(tmp_path, name)
    assert loaded(tmp_path).names() == ("a", "b", "c-1")


def test_an_empty_root_serves_nothing(tmp_path):
    assert loaded(tmp_path).names() == ()


def test_a_root_that_is_no_folder_is_an_error(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(NotADirectoryError):
        Repository(tmp_path / "file").load()
    with pytest.raises(FileNotFoundError):
        Repository(tmp_path / "missing").load()


@pytest.mark.parametrize(
    "name",
    ["..", ".", "", "a/b", "../m", "m/1", "/etc", "m\0", "M", "m ", "..\\m", "%2e%2e", "m\n"],
)
def test_a_name_that_is_not_deployed_is_unknown_whatever_it_looks_like(tmp_path, name):
    deploy(tmp_path / "root")
    deploy(tmp_path, "outside")
    repository = loaded(tmp_path / "root")
    with pytest.raises(UnknownModel):
        repository.get(name)
    with pytest.raises(UnknownModel):
        repository.get("m", name)
    with pytest.raises(UnknownModel):
        repository.versions(name)


def test_an_unknown_model_is_told_which_there_are(tmp_path):
    deploy(tmp_path)
    repository = loaded(tmp_path)
    with pytest.raises(UnknownModel, match="no model 'x' is deployed; deployed: m"):
        repository.get("x")
    with pytest.raises(UnknownModel, match="no version '2'; it has 1"):
        repository.get("m", "2")


def test_files_and_hidden_folders_are_not_models(tmp_path):
    deploy(tmp_path)
    deploy(tmp_path, ".git")
    deploy(tmp_path, "m", ".draft")
    (tmp_path / "README.md").write_text("hello")
    (tmp_path / "m" / "notes.txt").write_text("hello")
    repository = loaded(tmp_path)
    assert (repository.names(), repository.versions("m")) == (("m",), ("1",))
    assert repository.refused == {}


# --- what is refused --------------------------------------------------------------------------


def refused(root: Path, key: str = "m/1") -> str:
    repository = loaded(root)
    assert repository.names() == ()
    return repository.refused[key].reason


@pytest.mark.parametrize("name", ["spec.toml", "model.onnx"])
def test_a_folder_without_a_needed_file_is_refused(tmp_path, name):
    (deploy(tmp_path) / name).unlink()
    assert f"m/1/{name}: is missing" in refused(tmp_path)


@pytest.mark.parametrize(("key", "new"), [("name", "other"), ("version", "2")])
def test_a_spec_of_another_folder_is_refused(tmp_path, key, new):
    folder = deploy(tmp_path)
    folder.joinpath("spec.toml").write_bytes(
        spec_text(REGRESSION, *FEATURES, **{"name": "m", "version": "1", key: new})
    )
    assert f"m/1/spec.toml: {key}: is '{new}', but the folder is called" in refused(tmp_path)


def test_a_graph_that_cannot_be_served_is_refused_with_its_file(tmp_path):
    (deploy(tmp_path) / "model.onnx").write_bytes(b"version https://git-lfs.github.com/spec/v1")
    assert refused(tmp_path).startswith("m/1/model.onnx: the file is a Git LFS pointer")


def test_one_bad_folder_leaves_the_others_served(tmp_path):
    deploy(tmp_path, "good")
    (deploy(tmp_path, "bad") / "spec.toml").write_bytes(b"\xff")
    repository = loaded(tmp_path)
    assert repository.names() == ("good",)
    assert list(repository.refused) == ["bad/1"]
    assert not repository.refused["bad/1"].still_served


@pytest.mark.parametrize("name", ["a b", "ü", "-x", "_x", "x~"])
def test_a_folder_whose_name_is_not_safe_is_refused_by_name(tmp_path, name):
    deploy(tmp_path, name)
    assert "cannot name a model or a version" in refused(tmp_path, name)


def test_a_version_whose_name_is_not_safe_is_refused(tmp_path):
    deploy(tmp_path, version="1 2")
    assert "'1 2' cannot name a model or a version" in refused(tmp_path, "m/1 2")


def test_a_model_without_versions_is_refused(tmp_path):
    (tmp_path / "m").mkdir()
    assert "holds no version" in refused(tmp_path, "m")


@pytest.mark.parametrize("what", ["model", "version"])
def test_a_linked_folder_outside_the_root_is_refused(tmp_path, what):
    root = tmp_path / "root"
    root.mkdir()
    deploy(tmp_path / "elsewhere")
    if what == "model":
        (root / "m").symlink_to(tmp_path / "elsewhere" / "m")
        assert "link that leaves the repository" in refused(root, "m")
    else:
        (root / "m").mkdir()
        (root / "m" / "1").symlink_to(tmp_path / "elsewhere" / "m" / "1")
        assert "link that leaves the repository" in refused(root)


@pytest.mark.parametrize("name", ["model.onnx", "spec.toml", "reference.csv"])
def test_a_linked_file_outside_the_root_is_refused(tmp_path, name):
    root = tmp_path / "root"
    folder = deploy(root)
    outside = tmp_path / name
    outside.write_bytes(b"a,b,c\n1,2,3\n")
    (folder / name).unlink(missing_ok=True)
    (folder / name).symlink_to(outside)
    assert refused(root) == f"m/1/{name}: is a link that leaves the repository"


def test_links_within_the_root_are_followed(tmp_path):
    """As a Kubernetes volume lays them out: every file a link into a hidden folder."""
    folder = deploy(tmp_path)
    hidden = folder / "..2026_01_01"
    hidden.mkdir()
    for name in ("model.onnx", "spec.toml"):
        (folder / name).rename(hidden / name)
        (folder / name).symlink_to(Path("..data") / name)
    (folder / "..data").symlink_to("..2026_01_01")
    repository = loaded(tmp_path)
    assert factor_of(repository) == 1.0

    newer = folder / "..2026_01_02"
    newer.mkdir()
    (newer / "model.onnx").write_bytes(times_graph(2.0))
    shutil.copy(hidden / "spec.toml", newer)
    (folder / "..tmp").symlink_to("..2026_01_02")
    os.replace(folder / "..tmp", folder / "..data")
    assert repository.refresh().loaded == ("m/1",)
    assert factor_of(repository) == 2.0


# --- data beside the model --------------------------------------------------------------------


def test_reference_rows_and_examples_are_loaded(tmp_path):
    folder = deploy(tmp_path)
    (folder / "reference.csv").write_text("c,b,a\n3,2,1\n")
    instance = {"a": 1.5, "b": 2.0, "c": 3.0}
    (folder / "examples.json").write_text(json.dumps([{"id": "x", "instance": instance}]))
    model = loaded(tmp_path).get("m")
    assert model.reference is not None
    assert model.reference.tolist() == [[1, 2, 3]]
    assert model.examples[0].row.tolist() == [1.5, 2.0, 3.0]


def test_what_is_usual_is_between_quantiles_of_the_reference_rows(tmp_path):
    folder = deploy(tmp_path)
    assert loaded(tmp_path).get("m").usual is None
    rows = "".join(f"{k / 10},{-k / 10},7\n" for k in range(101))
    (folder / "reference.csv").write_text(f"a,b,c\n{rows}")
    model = loaded(tmp_path).get("m")
    assert model.usual == ((0.5, 9.5), (-9.5, -0.5), (7.0, 7.0))
    empty = np.full((3, 3), np.nan)
    assert replace(model, reference=empty).usual == ((-np.inf, np.inf),) * 3


def test_plausibility_is_loaded_and_refused_by_its_own_name(tmp_path):
    folder = deploy(tmp_path)
    (folder / "plausibility.onnx").write_bytes(times_graph(5.0))
    repository = loaded(tmp_path)
    plausibility = repository.get("m").plausibility
    assert plausibility is not None
    assert plausibility.score(np.array([[1.0, 0, 0]])).tolist() == [[5.0]]
    (folder / "plausibility.onnx").write_bytes(sum_graph(width=4).SerializeToString())
    repository.refresh()
    assert repository.refused["m/1"].reason.startswith("m/1/plausibility.onnx: input 'x'")


@pytest.mark.parametrize(
    ("policy", "absent"),
    [
        ('method = "knn"\nmax_distance = 1.0\n', "reference.csv"),
        ('method = "onnx"\nmin_score = 0.0\n', "plausibility.onnx"),
    ],
)
def test_a_plausibility_that_cannot_be_computed_is_refused_not_dropped(tmp_path, policy, absent):
    deploy(tmp_path, more="[policy.plausibility]\n" + policy)
    reason = refused(tmp_path)
    assert "policy.plausibility.method" in reason
    assert f"needs {absent}" in reason


def test_a_parity_report_of_this_model_is_kept(tmp_path):
    folder = deploy(tmp_path)
    digest = hashlib.sha256((folder / "model.onnx").read_bytes()).hexdigest()
    (folder / "parity.json").write_text(json.dumps({"model_sha256": digest, "rows": 3}))
    parity = loaded(tmp_path).get("m").parity
    assert parity is not None
    assert parity["rows"] == 3


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ('{"model_sha256": "00"}', "measured on another model"),
        ("[]", "not a table"),
        ("{", "not JSON"),
    ],
)
def test_a_parity_report_that_is_not_of_this_model_is_refused(tmp_path, text, problem):
    (deploy(tmp_path) / "parity.json").write_text(text)
    assert problem in refused(tmp_path)


def test_thresholds_of_trees_are_kept_by_feature(tmp_path):
    folder = deploy(tmp_path)
    model = graph_of([stump()], [value("x", [None, 3])], [value("y", [None, 1])])
    (folder / "model.onnx").write_bytes(model.SerializeToString())
    thresholds = loaded(tmp_path).get("m").thresholds
    assert {f: t.tolist() for f, t in thresholds.items()} == {0: [1.5], 2: [np.float32(0.1)]}


def test_a_folder_can_be_loaded_on_its_own(tmp_path):
    assert load_folder(deploy(tmp_path)).name == "m"


# --- refresh ----------------------------------------------------------------------------------


def test_what_did_not_change_is_not_loaded_again(tmp_path):
    deploy(tmp_path)
    repository = loaded(tmp_path)
    before = repository.get("m")
    changes = repository.refresh()
    assert (changes.loaded, changes.removed, changes.refused) == ((), (), ())
    assert repository.get("m") is before


def test_a_file_that_was_only_touched_is_not_loaded_again(tmp_path):
    folder = deploy(tmp_path)
    repository = loaded(tmp_path)
    before = repository.get("m")
    os.utime(folder / "model.onnx", ns=(1, 1))
    assert repository.refresh().loaded == ()
    assert repository.get("m") is before


def test_a_changed_folder_is_loaded_and_no_other(tmp_path):
    deploy(tmp_path, "a")
    deploy(tmp_path, "b")
    repository = loaded(tmp_path)
    kept = repository.get("a")
    deploy(tmp_path, "b", factor=7.0)
    assert repository.refresh().loaded == ("b/1",)
    assert factor_of(repository, "b") == 7.0
    assert repository.get("a") is kept


def test_a_change_that_keeps_size_and_time_is_seen(tmp_path):
    folder = deploy(tmp_path)
    repository = loaded(tmp_path)
    stat = (folder / "model.onnx").stat()
    deploy(tmp_path, factor=2.0)
    os.utime(folder / "model.onnx", ns=(stat.st_atime_ns, stat.st_mtime_ns))
    assert (folder / "model.onnx").stat().st_size == stat.st_size
    repository.refresh()
    assert factor_of(repository) == 2.0


def test_a_new_version_becomes_the_latest_and_a_removed_one_disappears(tmp_path):
    deploy(tmp_path, version="1", factor=1)
    repository = loaded(tmp_path)
    deploy(tmp_path, version="2", factor=2)
    assert repository.refresh().loaded == ("m/2",)
    assert factor_of(repository) == 2.0
    shutil.rmtree(tmp_path / "m" / "2")
    assert repository.refresh().removed == ("m/2",)
    assert factor_of(repository) == 1.0
    shutil.rmtree(tmp_path / "m")
    assert repository.refresh().removed == ("m/1",)
    assert repository.names() == ()


def test_the_last_version_disappears_though_the_models_folder_stays(tmp_path):
    shutil.rmtree(deploy(tmp_path))
    repository = loaded(tmp_path)
    deploy(tmp_path)
    repository.refresh()
    shutil.rmtree(tmp_path / "m" / "1")
    assert repository.refresh().removed == ("m/1",)
    assert repository.names() == ()


@pytest.mark.parametrize("what", ["model", "version"])
def test_a_folder_that_becomes_a_link_out_of_the_root_leaves_what_was(tmp_path, what):
    root = tmp_path / "root"
    folder = deploy(root, factor=3.0)
    repository = loaded(root)
    replaced = folder if what == "version" else folder.parent
    replaced.rename(tmp_path / "elsewhere")
    replaced.symlink_to(tmp_path / "elsewhere")
    repository.refresh()
    (refusal,) = repository.refused.values()
    assert "link that leaves the repository" in refusal.reason
    assert factor_of(repository) == 3.0


def test_a_refusal_is_reported_once(tmp_path):
    (tmp_path / "m").mkdir()
    repository = Repository(tmp_path)
    assert repository.load().refused == ("m",)
    assert repository.refresh().refused == ()
    assert list(repository.refused) == ["m"]


def test_a_bad_change_is_refused_and_the_old_version_stays_served(tmp_path):
    folder = deploy(tmp_path, factor=3.0)
    repository = loaded(tmp_path)
    good = (folder / "model.onnx").read_bytes()
    (folder / "model.onnx").write_bytes(good[:-7])
    assert repository.refresh().refused == ("m/1",)
    refusal = repository.refused["m/1"]
    assert "not an ONNX model" in refusal.reason
    assert refusal.still_served
    assert factor_of(repository) == 3.0
    assert repository.refresh().refused == (), "a folder refused as it stands is not tried again"
    assert "m/1" in repository.refused
    (folder / "model.onnx").write_bytes(times_graph(4.0))
    assert repository.refresh().loaded == ("m/1",)
    assert repository.refused == {}
    assert factor_of(repository) == 4.0


def test_a_bad_change_that_is_taken_back_needs_no_reload(tmp_path):
    folder = deploy(tmp_path)
    repository = loaded(tmp_path)
    before = repository.get("m")
    good = (folder / "spec.toml").read_bytes()
    (folder / "spec.toml").write_bytes(b"x = ")
    repository.refresh()
    (folder / "spec.toml").write_bytes(good)
    repository.refresh()
    assert repository.refused == {}
    assert repository.get("m") is before


def test_a_folder_that_is_written_file_by_file_is_served_once_it_is_complete(tmp_path):
    complete = deploy(tmp_path / "elsewhere")
    root = tmp_path / "root"
    folder = root / "m" / "1"
    root.mkdir()
    repository = loaded(root)
    folder.mkdir(parents=True)
    repository.refresh()
    assert repository.names() == ()
    data = (complete / "model.onnx").read_bytes()
    (folder / "model.onnx").write_bytes(data[:50])
    repository.refresh()
    shutil.copy(complete / "spec.toml", folder)
    repository.refresh()
    assert "not an ONNX model" in repository.refused["m/1"].reason
    (folder / "model.onnx").write_bytes(data)
    assert repository.refresh().loaded == ("m/1",)
    assert repository.refused == {}


def test_a_folder_that_is_written_to_while_it_is_read_is_tried_again(tmp_path):
    folder = deploy(tmp_path, factor=1.0)
    writes = [times_graph(2.0)]

    def write_meanwhile(model):
        if writes:
            (folder / "model.onnx").write_bytes(writes.pop())
        return model

    repository = Repository(tmp_path, write_meanwhile)
    repository.load()
    assert "written to while it was read" in repository.refused["m/1"].reason
    repository.refresh()
    assert factor_of(repository) == 2.0


def test_a_root_that_vanishes_leaves_everything_served(tmp_path):
    root = tmp_path / "root"
    deploy(root)
    repository = loaded(root)
    root.rename(tmp_path / "gone")
    with pytest.raises(FileNotFoundError):
        repository.refresh()
    assert factor_of(repository) == 1.0


def test_readers_see_whole_snapshots_while_versions_come_and_go(tmp_path):
    """Every name that is listed can be got, with a version that is listed, at any moment."""
    deploy(tmp_path, "steady")
    repository = loaded(tmp_path)
    stop = threading.Event()
    failures: list[BaseException] = []

    def read():
        while not stop.is_set():
            try:
                assert repository.get("steady").predictor.score(np.zeros((2, 3))).shape == (2, 1)
                for model in repository.models():
                    assert model.spec.name == model.name
            except BaseException as error:
                failures.append(error)
                return

    readers = [threading.Thread(target=read) for _ in range(3)]
    for reader in readers:
        reader.start()
    for i in range(8):
        deploy(tmp_path, "other", version=str(i % 2), factor=i)
        repository.refresh()
        if i % 3 == 2:
            shutil.rmtree(tmp_path / "other")
            repository.refresh()
    stop.set()
    for reader in readers:
        reader.join()
    assert failures == []


# --- prepare ----------------------------------------------------------------------------------


def test_what_is_prepared_is_kept_with_the_model(tmp_path):
    deploy(tmp_path)
    calls = []

    def prepare(model):
        calls.append(model.version)
        return f"policy of {model.name}"

    repository = Repository(tmp_path, prepare)
    repository.load()
    repository.refresh()
    assert repository.prepared("m") == "policy of m"
    assert calls == ["1"]


def test_without_prepare_the_model_itself_is_what_is_prepared(tmp_path):
    deploy(tmp_path)
    repository = loaded(tmp_path)
    assert repository.prepared("m") is repository.get("m")


@pytest.mark.parametrize(
    "error", [SpecError("spec.toml", "policy", "is no policy"), RuntimeError("a bug")]
)
def test_an_error_while_preparing_refuses_the_folder(tmp_path, error):
    deploy(tmp_path)

    def prepare(model):
        raise error

    repository = Repository(tmp_path, prepare)
    repository.load()
    assert repository.names() == ()
    assert str(error) in repository.refused["m/1"].reason


def test_categories_and_columns_by_name_work_from_disk(tmp_path):
    folder = tmp_path / "m" / "1"
    folder.mkdir(parents=True)
    (folder / "spec.toml").write_bytes(
        spec_text(REGRESSION, number("a"), quality('encoding = "one-hot"'))
    )
    (folder / "model.onnx").write_bytes(sum_graph(width=4).SerializeToString())
    model = loaded(tmp_path).get("m")
    row = model.spec.schema.read({"a": 2.0, "quality": "H"})
    assert model.predictor.score(row[None]).tolist() == [[3.0]]
