"""A model folder appears complete and deployable, or not at all."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from ifonly.models.errors import DataError, ModelError, ParityError
from ifonly.models.repository import load_folder
from ifonly.models.training import held_out_alarms, package, simulate, train
from ifonly.models.training.dataset import CSV_COLUMNS, CSV_LABEL
from ifonly.models.training.fit import PARAMETERS, TrainedModel
from ifonly.models.training.template import NAME

FILES = {
    "model.onnx", "spec.toml", "parity.json", "reference.csv", "examples.json", "validation.csv"
}  # fmt: skip


@pytest.fixture(autouse=True, scope="module")
def few_parity_rows() -> object:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(package, "PARITY_ROWS", 3000)
        patch.setitem(PARAMETERS, "n_estimators", 40)
        yield


@pytest.fixture(scope="module")
def out(tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("models")
    train(out, rows=8000, seed=1)
    return out


def files_below(folder: Path) -> set[str]:
    return {str(p.relative_to(folder)) for p in folder.rglob("*")}


def test_training_writes_a_complete_folder_that_can_be_deployed(out: Path) -> None:
    folder = out / NAME / "1"
    assert files_below(folder) == FILES
    assert files_below(out) == {NAME, f"{NAME}/1", *(f"{NAME}/1/{f}" for f in FILES)}
    deployed = load_folder(folder)
    assert deployed.reference is not None
    assert deployed.reference.shape == (500, 6)
    assert deployed.examples[0].id == "two-failures"


def test_equal_seeds_write_equal_files(out: Path, tmp_path: Path) -> None:
    train(tmp_path, rows=8000, seed=1)
    for name in FILES:
        assert (tmp_path / NAME / "1" / name).read_bytes() == (out / NAME / "1" / name).read_bytes()


def test_the_report_is_what_parity_json_says(out: Path, tmp_path: Path) -> None:
    report = train(tmp_path, rows=3000, seed=2, version="2024.1")
    assert report.folder == tmp_path / NAME / "2024.1"
    written = json.loads((report.folder / "parity.json").read_text())
    assert written == json.loads(json.dumps(report.as_dict()))
    deployed = load_folder(report.folder)
    assert written["model_sha256"] == deployed.model_sha256
    assert written["metrics"]["threshold"] == deployed.spec.decision.threshold
    assert written["parity"]["rows"] == 3000
    assert written["training"]["seed"] == 2


def test_a_version_that_is_there_is_never_overwritten(out: Path) -> None:
    before = (out / NAME / "1" / "model.onnx").read_bytes()
    with pytest.raises(FileExistsError, match="train another version"):
        train(out, rows=3000, seed=9)
    assert (out / NAME / "1" / "model.onnx").read_bytes() == before


def test_a_failed_parity_check_leaves_no_version_behind(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(TrainedModel, "score", lambda self, rows: np.zeros((len(rows), 1)))
    with pytest.raises(ParityError):
        train(tmp_path, rows=2000)
    assert files_below(tmp_path) == {NAME}


def parts_as_csv(path: Path, n_rows: int) -> Path:
    parts = simulate(n_rows, seed=4)
    header = [*CSV_COLUMNS.values(), CSV_LABEL]
    lines = [
        [*(str(v) for v in row[:5]), "LMH"[int(row[5])], str(int(failed))]
        for row, failed in zip(parts.rows, parts.failed, strict=True)
    ]
    text = "\r\n".join(",".join(line) for line in [header, *lines])
    path.write_text(text, encoding="utf-8-sig", newline="")
    return path


def test_a_csv_file_is_trained_on_and_named(tmp_path: Path) -> None:
    report = train(tmp_path / "out", csv=parts_as_csv(tmp_path / "parts.csv", 5000))
    assert (report.data, report.rows, report.metrics.rows) == ("parts.csv", 3000, 1000)
    assert load_folder(report.folder).spec.description["en"].endswith("AI4I 2020 (UCI 601).")


def test_a_bad_csv_file_leaves_nothing_behind(tmp_path: Path) -> None:
    path = parts_as_csv(tmp_path / "parts.csv", 100)
    path.write_text(path.read_text(encoding="utf-8-sig").replace("Torque [Nm]", "Torque [lbf ft]"))
    with pytest.raises(DataError, match="has no column 'Torque \\[Nm\\]'"):
        train(tmp_path / "out", csv=path)
    assert not (tmp_path / "out").exists()


# --- held-out alarms -------------------------------------------------------------------------


def test_held_out_alarms_are_flagged_and_know_the_truth(out: Path) -> None:
    deployed = load_folder(out / NAME / "1")
    decision = deployed.spec.decision
    alarms = held_out_alarms(60, 0, deployed.predictor, decision)
    assert len(alarms) == 60
    assert (decision.decide(deployed.predictor.score(alarms.rows)) == decision.positive).all()
    assert alarms.failed.mean() > 0.5
    again = held_out_alarms(30, 0, deployed.predictor, decision)
    np.testing.assert_array_equal(again.rows, alarms.rows[:30])
    other = held_out_alarms(30, 1, deployed.predictor, decision)
    assert not np.array_equal(again.rows, other.rows)


def test_a_model_without_alarms_is_told_so(out: Path) -> None:
    class Silent:
        def score(self, rows: np.ndarray) -> np.ndarray:
            return np.zeros((len(rows), 1))

    decision = load_folder(out / NAME / "1").spec.decision
    with pytest.raises(ModelError, match=r"flags 0 of \d+ parts, not the 5 asked for"):
        held_out_alarms(5, 0, Silent(), decision)
