"""``ifonly models add FOLDER`` of folders as MLflow 3 writes them; where it is installed, of its
own."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import yaml
from lightgbm import LGBMClassifier
from skl2onnx import to_onnx
from sklearn.linear_model import LogisticRegression
from xgboost import XGBClassifier

from tests.integration.shop import Shop, added, features

RNG = np.random.default_rng(0)
N = 120
TABLE = pd.DataFrame(
    {"torque_nm": RNG.uniform(0.0, 10.0, N).round(2), "count": RNG.integers(0, 50, N)}
)
HOT = (TABLE["torque_nm"] > 4).to_numpy().astype(int)
INPUTS = [
    {"type": "double", "name": "torque_nm", "required": True},
    {"type": "long", "name": "count", "required": True},
]


def graph() -> bytes:
    rows = TABLE.to_numpy(np.float32)
    model = to_onnx(
        LogisticRegression().fit(rows, HOT), rows[:1], target_opset={"": 15, "ai.onnx.ml": 3}
    )
    content: bytes = model.SerializeToString()
    return content


def folder(
    shop: Shop, flavour: str, file: str, content: bytes, **description: Any
) -> Path:  # as MLflow 3.17 lays it out
    place = shop.path / "m"
    place.mkdir(exist_ok=True)
    (place / file).write_bytes(content)
    key = "pickled_model" if flavour == "sklearn" else "data"
    example = {"columns": list(TABLE), "data": TABLE.to_numpy().tolist()}
    (place / "input_example.json").write_text(json.dumps(example))
    found = {
        "flavors": {
            flavour: {"code": None, key: file},
            "python_function": {key: file, "loader_module": f"mlflow.{flavour}"},
        },
        "mlflow_version": "3.17.2",
        "saved_input_example_info": {
            "artifact_path": "input_example.json", "pandas_orient": "split", "type": "dataframe",
        },
        "signature": {"inputs": json.dumps(INPUTS), "outputs": None, "params": None},
        "utc_time_created": "2026-11-30 02:09:03.286696",
    } | description  # fmt: skip
    (place / "MLmodel").write_text(yaml.safe_dump(found))
    return place


def run(shop: Shop, *options: str, place: str = "m") -> Any:
    return shop.command(
        "models", "add", str(shop.path / place), "--models", str(shop.models), "--lang", "en",
        "--yes", *options,
    )  # fmt: skip


def xgboost(path: Path) -> tuple[str, str]:
    XGBClassifier(n_estimators=4, max_depth=2).fit(TABLE, HOT).save_model(path / "model.ubj")
    return "xgboost", "model.ubj"


def lightgbm(path: Path) -> tuple[str, str]:
    model = LGBMClassifier(n_estimators=4, verbose=-1).fit(TABLE, HOT)
    model.booster_.save_model(path / "model.lgb")
    return "lightgbm", "model.lgb"


def onnx(path: Path) -> tuple[str, str]:
    (path / "model.onnx").write_bytes(graph())
    return "onnx", "model.onnx"


@pytest.mark.parametrize("write", [xgboost, lightgbm, onnx], ids=lambda write: write.__name__)
def test_a_flavour_whose_file_runs_no_code_by_its_signature_and_example(
    shop: Shop, write: Callable[[Path], tuple[str, str]]
) -> None:
    flavour, file = write(shop.path)
    folder(shop, flavour, file, (shop.path / file).read_bytes())
    told = added(run(shop))
    assert f"MLflow: flavour {flavour}, {file}; its signature has 2 columns" in told
    found = features(shop.spec())
    assert list(found) == ["torque_nm", "count"]
    assert found["torque_nm"]["unit"] == "Nm"
    assert "a first row:" in told


def test_columns_are_those_of_the_signature_in_its_order(shop: Shop) -> None:
    place = folder(shop, "onnx", "model.onnx", graph())
    TABLE.assign(id=range(N))[["id", "count", "torque_nm"]].to_csv(
        shop.path / "rows.csv", index=False
    )
    # The description itself names the folder as well.
    rows = ["--data", str(shop.path / "rows.csv")]
    added(run(shop, *rows, "--name", "m", place="m/MLmodel"))
    assert list(features(shop.spec())) == ["torque_nm", "count"]
    (place / "input_example.json").unlink()
    found = run(shop, *rows)
    assert "'input_example.json' is no file of the folder 'm'" in found.err


def test_a_pickle_in_it_needs_trust(shop: Shop) -> None:
    import pickle

    model = LogisticRegression().fit(TABLE, HOT)
    folder(shop, "sklearn", "model.pkl", pickle.dumps(model))
    found = run(shop)
    assert found.code == 1
    assert "m is a pickle, which runs code of the file" in found.err
    assert "a first row:" in added(run(shop, "--trust"))


def test_texts_that_look_like_numbers_are_texts_by_the_signature(shop: Shop) -> None:
    import pickle

    from sklearn.compose import make_column_transformer
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import OneHotEncoder

    table = TABLE.assign(line=np.where(TABLE["count"] > 25, "01", "02"))
    columns = make_column_transformer(
        (OneHotEncoder(), ["line"]), remainder="passthrough"
    )  # fmt: skip
    model = make_pipeline(columns, LogisticRegression()).fit(table, HOT)
    inputs = [*INPUTS, {"type": "string", "name": "line", "required": True}]
    folder(
        shop, "sklearn", "model.pkl", pickle.dumps(model),
        signature={"inputs": json.dumps(inputs)},
    )  # fmt: skip
    table.to_csv(shop.path / "rows.csv", index=False)
    added(run(shop, "--trust", "--data", str(shop.path / "rows.csv")))
    assert features(shop.spec())["line"]["categories"] == ["01", "02"]


BOMB = "a: &a [x,x,x,x,x,x,x,x,x]\n" + "".join(
    f"{chr(98 + k)}: &{chr(98 + k)} [{','.join(['*' + chr(97 + k)] * 9)}]\n" for k in range(9)
)
DESCRIPTIONS = {
    "a bomb": (BOMB, "has anchors or aliases"),
    "a deep one": ("a: " + "[" * 5_000 + "]" * 5_000, "is nested deeper than 16 levels"),
    "code": ("!!python/object/apply:os.system ['true']", "MLmodel is no YAML"),
    "no YAML": ("a: [", "MLmodel is no YAML"),
    "bytes": ("\0\1", "MLmodel is no YAML"),
    "a date that is none": ("a: 2026-99-99", "MLmodel is no YAML"),
    "a list": ("[1, 2]", "MLmodel is no mapping"),
    "nothing": ("", "MLmodel is no mapping"),
    "no flavours": ("flavors: {}", "has the flavours none"),
    "too long": ("#" * ((1 << 20) + 1), "is longer than 1,048,576 bytes"),
}


@pytest.mark.parametrize("case", DESCRIPTIONS)
def test_a_description_that_is_none_is_refused(shop: Shop, case: str) -> None:
    text, reason = DESCRIPTIONS[case]
    (shop.path / "m").mkdir()
    (shop.path / "m/MLmodel").write_text(text)
    refused(run(shop), reason, shop)


def refused(found: Any, reason: str, shop: Shop) -> None:
    assert found.code == 1
    assert reason in found.err
    assert "Traceback" not in found.err
    assert shop.left == []


def signed(columns: Any) -> dict[str, Any]:
    return {"signature": {"inputs": columns if isinstance(columns, str) else json.dumps(columns)}}


def of(key: str, value: Any) -> dict[str, Any]:
    return {"flavors": {"onnx": {key: value}}}


TENSOR = {"type": "tensor", "tensor-spec": {"dtype": "uint8", "shape": [-1, 28, 28, 1]}}
ODD: dict[str, tuple[dict[str, Any], str]] = {
    "another flavour": ({"flavors": {"pytorch": {}, "python_function": {}}}, "pytorch"),
    "a file above it": (of("data", "../rows.csv"), "is no file of its folder"),
    "a file of this machine": (of("data", "/etc/passwd"), "is no file of its folder"),
    "a file of no text": (of("data", ["model.onnx"]), "names no file"),
    "a file with a NUL": (of("data", "a\0b"), "is no file of its folder"),
    "itself": (of("data", "."), "'.' is no file of the folder 'm'"),
    "none that is there": (of("data", "gone.onnx"), "'gone.onnx' is no file of the folder"),
    "images": (signed([TENSOR]), "images, sequences and volumes are no rows"),
    "a date": (signed([{"type": "datetime", "name": "t"}]), "column 't' is of type 'datetime'"),
    "an object": (signed([{"type": "object", "name": "t"}]), "column 't' is of type 'object'"),
    "the same name twice": (signed([INPUTS[0]] * 2), "have the same name"),
    "no list": (signed({"a": 1}), "is no list of columns"),
    "no JSON": (signed("[{"), "signature.inputs is no JSON"),
    "a deep one": (signed("[" * 100_000), "signature.inputs is no JSON"),
}


@pytest.mark.parametrize("case", ODD)
def test_what_a_description_says_that_cannot_be_is_refused(shop: Shop, case: str) -> None:
    description, reason = ODD[case]
    folder(shop, "onnx", "model.onnx", b"unread", **description)
    refused(run(shop), reason, shop)


@pytest.mark.parametrize("linked", ["model.onnx", "MLmodel", "input_example.json", "within/m.onnx"])
def test_links_lead_nowhere(shop: Shop, linked: str) -> None:
    place = folder(shop, "onnx", "model.onnx", graph())
    if linked == "within/m.onnx":
        (shop.path / "elsewhere").mkdir()
        (place / "model.onnx").rename(shop.path / "elsewhere/m.onnx")
        (place / "within").symlink_to(shop.path / "elsewhere")
        folder(shop, "onnx", "model.onnx", graph(), **of("data", linked))
    else:
        (place / linked).rename(shop.path / "kept")
        (place / linked).symlink_to(shop.path / "kept")
    refused(run(shop), "is a link: what is in the folder is a file in it", shop)


def test_a_pipe_is_no_file(shop: Shop) -> None:
    place = folder(shop, "onnx", "model.onnx", b"")
    (place / "model.onnx").unlink()
    os.mkfifo(place / "model.onnx")
    refused(run(shop), "'model.onnx' is no file of the folder", shop)


@pytest.mark.parametrize(
    ("example", "reason"),
    [
        ({"columns": ["torque_nm"], "data": [[1.0, 2]]}, "is no table"),
        ({"columns": ["torque_nm", "count"], "data": [[1.0, 2], [3.0]]}, "is no table"),
        ("text", "say which rows it was made for: --data"),
        ({"columns": ["a", "b"], "data": [[1.0, 2]]}, "torque_nm"),
    ],
)
def test_an_example_that_is_no_table_is_refused(shop: Shop, example: Any, reason: str) -> None:
    place = folder(shop, "onnx", "model.onnx", graph())
    (place / "input_example.json").write_text(json.dumps(example))
    refused(run(shop), reason, shop)


def test_a_file_without_rows_needs_some(shop: Shop) -> None:
    (shop.path / "m.onnx").write_bytes(graph())
    refused(run(shop, place="m.onnx"), "say which rows it was made for: --data", shop)


def test_a_folder_that_is_none_of_mlflow(shop: Shop) -> None:
    (shop.path / "m").mkdir()
    refused(run(shop), "'MLmodel' is no file of the folder 'm'", shop)


FLAVOURS = ["sklearn", "xgboost", "lightgbm", "catboost", "onnx"]


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("flavour", FLAVOURS)
def test_what_mlflow_itself_writes(shop: Shop, flavour: str) -> None:
    pytest.importorskip("mlflow.pyfunc", reason="needs mlflow-skinny")
    import importlib

    from mlflow.models import infer_signature

    save = importlib.import_module(f"mlflow.{flavour}").save_model
    if flavour == "catboost":
        kind = pytest.importorskip("catboost").CatBoostClassifier
        model = kind(iterations=4, verbose=0, allow_writing_files=False).fit(TABLE, HOT)
    elif flavour == "onnx":
        import onnx as library

        model = library.load_from_string(graph())
    else:
        kinds: dict[str, Any] = {
            "sklearn": LogisticRegression(), "xgboost": XGBClassifier(n_estimators=4),
            "lightgbm": LGBMClassifier(n_estimators=4, verbose=-1),
        }  # fmt: skip
        model = kinds[flavour].fit(TABLE, HOT)
    save(
        model, str(shop.path / "m"), signature=infer_signature(TABLE, HOT), input_example=TABLE,
    )  # fmt: skip
    found = run(shop)
    # What MLflow itself says on the way is in `err`.
    assert found.code == 0, found.err
    assert f"MLflow: flavour {flavour}" in found.out
