"""``ifonly models add --trust``: pickles, whose code runs where it can do no harm."""

from __future__ import annotations

import io
import json
import os
import pickle
import socket
import struct
from typing import Any

import joblib
import numpy as np
import pandas as pd
import pytest
from sklearn.compose import make_column_transformer
from sklearn.ensemble import RandomForestClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler

from ifonly.models.adding import confinement, reader
from ifonly.models.adding.native_file import PICKLED, NativeModel
from ifonly.models.errors import GraphError
from ifonly.models.onnx.guard import GuardLimits
from ifonly.models.repository import load_folder
from tests.integration.shop import Shop, added, features

RNG = np.random.default_rng(0)
N = 120
TABLE = pd.DataFrame(
    {"torque": RNG.uniform(0.0, 10.0, N).round(2), "count": RNG.integers(0, 50, N)}
)
HOT = (TABLE["torque"] > 4).to_numpy().astype(int)
FOREST = RandomForestClassifier(5, max_depth=3, random_state=0).fit(TABLE, HOT)
COLUMNS = {str(name): TABLE[name].tolist() for name in TABLE}

pytestmark = pytest.mark.skipif(
    not confinement.is_possible(), reason="needs Landlock and seccomp, of Linux from 5.13 on"
)


class Attack:
    """Runs ``code`` as soon as it is unpickled, and is then what the code calls ``model``."""

    def __init__(self, code: str) -> None:
        within = code.replace("\n", "\n    ")
        self.code = f"def _run():\n    model = None\n    {within}\n    return model\n"

    def __reduce__(self) -> Any:
        return _calls(self.code)


def _calls(code: str) -> Any:
    # `eval` of an expression, for `exec` gives nothing back.
    text = f"(lambda g: (exec({code!r}, g), g['_run']())[1])({{}})"
    return eval, (text,)


def attacked(code: str, seconds: float = 60.0) -> NativeModel:
    limits = GuardLimits(load_seconds=seconds, memory_bytes=3 << 30)
    content = pickle.dumps(Attack(code))
    return reader.read_native(
        PICKLED, "m.pkl", content, COLUMNS, trust=True, limits=limits
    )  # fmt: skip


WALLED = "it may reach no network, start no process, write nowhere"
HARM = {
    "a socket": ("import socket; socket.socket()", WALLED),
    "a socket of this machine": ("import socket; socket.socketpair()", WALLED),
    "a fork": ("import os; os.fork()", WALLED),
    "a program": ("import subprocess; subprocess.run(['/bin/true'])", WALLED),
    "another program": ("import os; os.execv('/bin/true', ['true'])", WALLED),
    "a signal": ("import os; os.kill(os.getppid(), 9)", WALLED),
    "a file of this machine": ("open('/etc/passwd').read()", WALLED),
    "a file by another way": ("open('/proc/self/root/etc/passwd').read()", WALLED),
    "its own folder": ("open('left', 'w')", WALLED),
    "its parent's secrets": ("import os; open(f'/proc/{os.getppid()}/environ').read()", WALLED),
    "higher limits": (
        "import resource; resource.prlimit(0, resource.RLIMIT_CPU, (1, 1))", WALLED),
    "memory": ("bytearray(4 << 30)", "needs more memory than it may have"),
    "a crash": ("import ctypes; ctypes.string_at(0)", "ended the process that read it (-11)"),
    "a silent end": ("import os; os._exit(0)", "ended the process that read it (0)"),
    "an exit": ("raise SystemExit(0)", "m.pkl cannot be read: SystemExit: 0"),
    "nothing": ("pass", "m.pkl holds a NoneType, which is no fitted estimator"),
}  # fmt: skip


@pytest.mark.parametrize("case", HARM)
def test_code_of_a_pickle_can_do_no_harm_and_is_refused_by_name(case):
    code, reason = HARM[case]
    with pytest.raises(GraphError) as refused:
        attacked(code)
    assert str(refused.value).startswith("m.pkl ")
    assert reason in str(refused.value)


def test_it_writes_removes_and_changes_nothing(tmp_path):
    kept = tmp_path / "kept"
    kept.write_text("as it was")
    kept.chmod(0o600)
    code = f"""
import os
done = []
for harm in (
    lambda: open({str(tmp_path / "new")!r}, "w"), lambda: open({str(kept)!r}, "r+"),
    lambda: os.truncate({str(kept)!r}, 0), lambda: os.unlink({str(kept)!r}),
    lambda: os.chmod({str(kept)!r}, 0o777), lambda: os.utime({str(kept)!r}),
    lambda: os.rename({str(kept)!r}, {str(tmp_path / "new")!r}), lambda: os.mkdir("new"),
    lambda: os.symlink("/", "new"), lambda: os.link({str(kept)!r}, {str(tmp_path / "new")!r}),
    lambda: os.mkfifo({str(tmp_path / "new")!r}), lambda: open({str(kept)!r}).read(),
    lambda: os.listdir({str(tmp_path)!r}),
):
    try:
        harm()
    except OSError:
        continue
    done.append(harm)
raise ValueError(f"{{len(done)}} of these were done")
"""
    before = kept.stat()
    with pytest.raises(GraphError, match="ValueError: 0 of these were done"):
        attacked(code)
    after = kept.stat()
    assert kept.read_text() == "as it was"
    assert (after.st_mode, after.st_mtime_ns) == (before.st_mode, before.st_mtime_ns)
    assert os.listdir(tmp_path) == ["kept"]


def test_nothing_that_listens_is_reached(tmp_path):
    paths = tmp_path / "socket"
    with socket.socket(socket.AF_UNIX) as local, socket.create_server(("127.0.0.1", 0)) as remote:
        local.bind(str(paths))
        local.listen()
        with pytest.raises(GraphError, match="it may reach no network"):
            attacked(
                f"import socket\n"
                f"try: socket.create_connection(('127.0.0.1', {remote.getsockname()[1]}))\n"
                f"except PermissionError: socket.socket(socket.AF_UNIX).connect({str(paths)!r})"
            )
        for listening in (local, remote):
            listening.settimeout(0.0)
            with pytest.raises(BlockingIOError):
                listening.accept()


@pytest.mark.parametrize("code", ["while True: pass", "import time; time.sleep(1e6)"])
def test_what_never_ends_is_ended(code):
    with pytest.raises(GraphError, match=r"m\.pkl (took more|could not).* which is the limit"):
        attacked(code, seconds=4.0)


def test_who_ignores_the_first_signal_is_ended_by_the_next():
    code = "import signal; signal.signal(signal.SIGXCPU, signal.SIG_IGN)\nwhile True: pass"
    with pytest.raises(GraphError, match=r"ended the process that read it|which is the limit"):
        attacked(code, seconds=3.0)


SPEAKING = """
import os, stat, struct
for place in range(3, 64):
    try:
        if stat.S_ISFIFO(os.fstat(place).st_mode):
            os.write(place, {said!r})
    except OSError:
        pass
os._exit(0)
"""


def forged(said: Any, graph: bytes = b"") -> bytes:
    words = said if isinstance(said, bytes) else json.dumps(said).encode()
    return struct.pack("<II", len(words), len(graph)) + words + graph


REPORT = {
    "rows": 1, "threshold_neighbours": 1, "thresholds": 1, "label_differences": 0,
    "max_difference": 0.0, "mean_difference": 0.0, "tolerance": 1e-5, "seed": 0,
}  # fmt: skip
SAID = {"columns": ["torque", "count"], "report": REPORT, "warned": []}
OTHER = "answer with something else than a model"
LIES = {
    "no JSON": (forged(b"{"), OTHER),
    "no object": (forged([1]), OTHER),
    "deep": (forged(b"[" * 100_000), OTHER),
    "too long": (struct.pack("<II", 2**32 - 1, 0), OTHER),
    "cut short": (forged(SAID)[:-4], "ended the process"),
    "no report": (forged({**SAID, "report": {}}), OTHER),
    "not a number": (forged({**SAID, "report": {**REPORT, "rows": float("nan")}}), OTHER),
    "other decisions": (forged({**SAID, "report": {**REPORT, "label_differences": 3}}), OTHER),
    "columns that are none": (forged({**SAID, "columns": ["torque", "secret"]}), OTHER),
    "columns by halves": (forged({**SAID, "columns": {"torque": 1}}), OTHER),
    "words that move a cursor": (forged({"problem": "\x1b[2J" + "a" * 9999}), " [2Jaaa"),
}


@pytest.mark.parametrize("case", LIES)
def test_what_it_says_is_taken_for_a_strangers_word(case):
    said, reason = LIES[case]
    with pytest.raises(GraphError) as refused:
        attacked(SPEAKING.format(said=said))
    assert reason in str(refused.value)
    assert "\x1b" not in str(refused.value)
    assert len(str(refused.value)) < 1_000


def test_a_graph_that_it_forges_is_read_as_any_other(shop: Shop):
    attack = Attack(SPEAKING.format(said=forged(SAID, b"no graph")))
    (shop.path / "m.pkl").write_bytes(pickle.dumps(attack))
    TABLE.to_csv(shop.path / "rows.csv", index=False)
    found = shop.run("m.pkl", "rows.csv", "--yes", "--trust")
    assert found.code == 1
    assert "is not an ONNX model" in found.err
    assert shop.left == []


def test_what_is_printed_and_what_fails_within_does_not_matter(monkeypatch):
    monkeypatch.setenv("IFONLY_SECRET", "5ecret")
    held = io.BytesIO()
    joblib.dump(FOREST, held)
    code = f"""
import io, joblib, os, socket
print("{{}}" * 100, flush=True)
try:
    socket.socket()
except PermissionError:
    pass
if "IFONLY_SECRET" in os.environ or os.listdir("/proc/self/fd") and os.getcwd() == "/":
    raise ValueError("it sees what it need not")
model = joblib.load(io.BytesIO({held.getvalue()!r}))
"""
    assert attacked(code).columns == ("torque", "count")


@pytest.mark.parametrize("file", ["m.joblib", "m.pkl", "compressed.joblib", "unnamed"])
def test_a_pipeline_is_unpickled_converted_and_decides_alike(shop: Shop, file: str):
    table = TABLE.assign(grade=RNG.choice(["L", "M"], N))
    columns = make_column_transformer(
        (OneHotEncoder(), ["grade"]), (StandardScaler(), ["torque", "count"])
    )
    model = make_pipeline(columns, LogisticRegression()).fit(table, HOT)
    if file == "compressed.joblib":
        joblib.dump(model, shop.path / file, compress=3)
    else:
        (shop.path / file).write_bytes(pickle.dumps(model))
    table[["grade", "count", "torque"]].to_csv(shop.path / "rows.csv", index=False)
    without = shop.run(file, "rows.csv", "--yes")
    assert without.code == 1
    assert "runs code of the file when it is read" in without.err
    assert shop.left == []
    told = added(shop.run(file, "rows.csv", "--yes", "--trust", "--name", "m"))
    assert "as the process measured that ran the file's code" in told.replace("\n", " ")
    found = features(shop.spec())
    assert list(found) == ["torque", "count", "grade"]
    assert found["grade"]["encoding"] == "string"
    served = load_folder(shop.models / "m/1").predictor
    rows = np.column_stack([TABLE, (table["grade"] == "M")]).astype(float)
    expected = model.predict_proba(table)[:, 1]
    assert np.allclose(served.score(rows)[:, 0], expected, rtol=0, atol=1e-5)


def test_where_there_are_no_walls_nothing_is_unpickled(monkeypatch, tmp_path):
    monkeypatch.setattr(reader, "is_possible", lambda: False)
    with pytest.raises(GraphError, match="this machine has no walls to read it within"):
        attacked(f"open({str(tmp_path / 'ran')!r}, 'w')")
    assert os.listdir(tmp_path) == []


def test_a_compressed_file_that_is_far_longer_than_it_looks():
    held = io.BytesIO()
    joblib.dump(np.zeros(3 << 26), held, compress=("zlib", 1))
    assert len(held.getvalue()) < 8 << 20
    limits = GuardLimits(memory_bytes=3 << 29)
    with pytest.raises(GraphError, match=r"m\.joblib needs more memory than it may have"):
        reader.read_native(PICKLED, "m.joblib", held.getvalue(), COLUMNS, trust=True, limits=limits)


def test_the_filter_is_whole_on_every_machine_it_is_for():
    for machine in ("x86_64", "aarch64"):
        steps = list(confinement.call_filter(machine, 1))
        assert len(steps) < 4096
        assert all(k + 1 + max(a, b) < len(steps) for k, (_, a, b, _) in enumerate(steps[:-1]))
