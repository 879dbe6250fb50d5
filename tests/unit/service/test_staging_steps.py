"""Staged, edited and activated, each by one rename: killed between, and several at once."""

from __future__ import annotations

import io
import os
import threading
import time
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from onnx import ModelProto

from ifonly.models.errors import UnknownModel
from ifonly.models.onnx import GuardLimits
from ifonly.models.repository.activation import FOLDER, NEW, last_activation
from ifonly.service.errors import CannotActivate, CannotUpload, InvalidRequest
from ifonly.service.served import activation, staging, staging_candidates, uploads
from ifonly.service.served.drafting import DraftJob, drafted
from ifonly.service.served.registry import Registry
from ifonly.service.served.staging import StagedVersion
from ifonly.service.served.staging_candidates import Edit
from tests.integration.small_models import PRESS, linear, write_all
from tests.support.endless import TRIGGER, endless, vast


@pytest.fixture
def registry(tmp_path: Path) -> Registry:
    found = Registry(write_all(tmp_path / "models"))
    found.load()
    return found


def archive(version: str) -> io.BytesIO:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as zipped:
        zipped.writestr("spec.toml", PRESS.replace('version = "1"', f'version = "{version}"'))
        zipped.writestr("model.onnx", linear([[2.0], [0.01]], [1.0]).SerializeToString())
    return file


def staged(registry: Registry, version: str) -> StagedVersion:
    return staging.put(registry, staging_candidates.of_zip(registry, archive(version), "me"))


def activate(registry: Registry, found: StagedVersion) -> None:
    step = activation.step_to(registry, staging.loaded(registry, found))
    activation.take(registry, step, "a record", found)


def active(registry: Registry) -> str | None:
    """As a process sees it that starts now."""
    anew = Registry(registry.root)
    anew.load()
    return activation.served_now(anew, "press")


def at_once(work: Callable[[int], Any], many: int) -> list[Any]:
    start, done = threading.Barrier(many), []

    def one(k: int) -> None:
        start.wait()
        try:
            done.append(work(k))
        except (CannotActivate, CannotUpload) as error:
            done.append(error)

    threads = [threading.Thread(target=one, args=(k,)) for k in range(many)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return done


@pytest.mark.parametrize("rename", [1, 2])
def test_whoever_is_killed_between_leaves_what_was_and_can_do_it_again(
    registry: Registry, monkeypatch: pytest.MonkeyPatch, rename: int
) -> None:
    """The first rename is the decision, the second the folder's."""
    found, real, calls = staged(registry, "2"), os.rename, []

    def killed(source: Any, target: Any) -> None:
        calls.append(target)
        if len(calls) == rename:
            raise KeyboardInterrupt
        real(source, target)

    with monkeypatch.context() as patched:
        patched.setattr(os, "rename", killed)
        with pytest.raises(KeyboardInterrupt):
            activate(registry, found)
    assert active(registry) == "1"
    again = staging.find(registry, "press", "2")
    activate(registry, again)
    assert active(registry) == "2"
    with pytest.raises(UnknownModel):
        staging.find(registry, "press", "2")
    assert [p.name for p in registry.root.iterdir() if p.name.startswith(uploads.HIDDEN)] == []


def test_of_several_who_activate_several_versions_one_does_and_the_others_stay_staged(
    registry: Registry,
) -> None:
    versions = ["2", "3", "4", "5"]
    found = [staged(registry, version) for version in versions]
    steps = [activation.step_to(registry, staging.loaded(registry, each)) for each in found]
    done = at_once(lambda k: activation.take(registry, steps[k], versions[k], found[k]), 4)
    assert sum(result is None for result in done) == 1
    decided = last_activation(registry.root, "press")
    assert decided is not None
    assert active(registry) == decided.version == decided.record
    left = [each.version for each in staging.listing(registry)]
    assert left == [version for version in versions if version != decided.version]


def test_of_several_who_edit_one_does_and_nothing_is_half_of_each(registry: Registry) -> None:
    found = staged(registry, "2")
    units = [f"u{k}" for k in range(4)]
    made = [
        staging_candidates.edited(
            registry, found, Edit({"features[0].unit": unit}), registry.limits, "me"
        )
        for unit in units
    ]
    done = at_once(lambda k: staging.put(registry, made[k]), 4)
    assert sum(isinstance(result, StagedVersion) for result in done) == 1
    for each in made:
        staging.discard(each)
    now = staging.find(registry, "press", "2")
    assert now.revision == 2
    (value,) = [f.value for f in now.fields if f.key == "features[0].unit"]
    assert value in units
    assert os.listdir(now.root.parent) == ["2"]


def test_an_edit_of_what_was_taken_out_meanwhile_brings_nothing_back(registry: Registry) -> None:
    found = staged(registry, "2")
    made = staging_candidates.edited(
        registry, found, Edit({"title.en": "x"}), registry.limits, "me"
    )
    staging.take_out(registry, found)
    with pytest.raises(CannotUpload):
        staging.put(registry, made)
    assert staging.listing(registry) == ()


def test_a_version_that_came_by_hand_stays_and_takes_nothing_back(registry: Registry) -> None:
    for version in ("2", "3"):
        activate(registry, staged(registry, version))
    found = staged(registry, "2.5")
    by_hand = registry.root / "press" / "2.5"
    by_hand.mkdir()
    (by_hand / "note").write_text("by hand")
    with pytest.raises(CannotActivate):
        activate(registry, found)
    assert active(registry) == "3"
    assert (by_hand / "note").exists()
    assert [each.version for each in staging.listing(registry)] == ["2.5"]


def test_models_that_are_not_asked_are_kept_loaded_as_long_as_nobody_writes(
    registry: Registry,
) -> None:
    found = staged(registry, "2")
    first = staging.loaded(registry, found)
    assert staging.loaded(registry, found) is first
    spec = found.folder / "spec.toml"
    spec.write_text(spec.read_text("utf-8").replace("bar", "kPa"), "utf-8")
    again = staging.loaded(registry, found)
    assert again.schema["pressure"].unit == "kPa"
    spec.write_text("broken")
    with pytest.raises(CannotUpload, match="TOML"):
        staging.loaded(registry, found)


def test_what_a_crash_left_of_an_activation_is_swept_once_it_is_old(registry: Registry) -> None:
    activate(registry, staged(registry, "2"))
    place = registry.root / FOLDER / "press"
    left, running = place / f"{NEW}left", place / f"{NEW}running"
    left.mkdir()
    running.mkdir()
    an_hour_ago = time.time() - uploads.STALE_SECONDS - 1
    os.utime(left, (an_hour_ago, an_hour_ago))
    uploads.sweep(registry.root)
    assert sorted(p.name for p in place.iterdir()) == [running.name, "1"]


@pytest.mark.parametrize(
    ("graph", "limits"),
    [
        (endless(), GuardLimits(1.0, 4.0, 4 << 30)),
        (vast(), GuardLimits(1.0, 60.0, 2 << 30)),
    ],
    ids=["endless", "vast"],
)
def test_a_file_that_takes_too_much_is_refused_where_it_is_read(
    tmp_path: Path, graph: ModelProto, limits: GuardLimits
) -> None:
    (tmp_path / "model.onnx").write_bytes(graph.SerializeToString())
    lines = "".join(f"{TRIGGER - k / 8},1,{k % 3}\n" for k in range(20))
    (tmp_path / "sample.csv").write_text("a,b,c\n" + lines)
    paths = (str(tmp_path / "model.onnx"), str(tmp_path / "sample.csv"))
    job = DraftJob(*paths, "a file", "m", "1", str(tmp_path / "out"))
    with pytest.raises(InvalidRequest) as caught:
        drafted(job, limits)
    (fault,) = caught.value.faults
    assert fault.path == ("file",)
    assert "limit" in fault.problem or "may use" in fault.problem or "alloc" in fault.problem
