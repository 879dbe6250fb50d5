"""`ifonly bulk`: what comes out is whole or not there, the same however it came about, and can be
checked afterwards."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

pa = pytest.importorskip("pyarrow")
import pyarrow.csv as pacsv  # noqa: E402
import pyarrow.parquet as pq  # noqa: E402

from ifonly.models.repository import load_folder  # noqa: E402
from ifonly.models.training import milling  # noqa: E402
from ifonly.service.bulk import BulkOptions, InvalidTable  # noqa: E402
from ifonly.service.bulk_runs import writing  # noqa: E402
from ifonly.service.bulk_runs.answering import Answering  # noqa: E402
from ifonly.service.bulk_runs.discrepancies import RowsToAsk, RunVerification  # noqa: E402
from ifonly.service.bulk_runs.planning import Plan  # noqa: E402
from ifonly.service.bulk_runs.reading.source import InputFormat, ReadOptions, RowSlice  # noqa: E402
from ifonly.service.bulk_runs.records import StoreLedger  # noqa: E402
from ifonly.service.bulk_runs.run import RunOutcome, run  # noqa: E402
from ifonly.service.bulk_runs.verification import verify  # noqa: E402
from ifonly.service.bulk_runs.workers import AnsweringPool  # noqa: E402
from ifonly.service.errors import CannotBulk, InvalidRequest  # noqa: E402
from ifonly.service.served.registry import Registry, ServedModel, prepare  # noqa: E402
from ifonly.service.settings import Settings, shipped_models  # noqa: E402
from ifonly.service.store import tables  # noqa: E402
from ifonly.service.store.database import connect  # noqa: E402
from tests.support.pages import Page  # noqa: E402

FOLDER = shipped_models() / "milling-machine" / "1"
NORMAL, ALARMS = 60, 4


class Quiet:
    """Is told, and says nothing."""

    def __init__(self) -> None:
        self.rows = self.resumed = 0

    def begun(self, total: int | None, resumed: int, counts: Mapping[str, int]) -> None:
        self.resumed = resumed

    def answered(self, rows: int, counts: Mapping[str, int], share: float) -> None:
        self.rows += rows

    def writing(self) -> None: ...


@pytest.fixture(scope="module")
def model() -> ServedModel:
    return prepare(load_folder(FOLDER))


@pytest.fixture(scope="module")
def table(model: ServedModel) -> Any:
    """Parts that the machine made, a few of them alarms, scattered."""
    rows = milling.simulate(2_000, 5, first_campaign=900).rows
    alarm = model.decision.decide(model.deployed.predictor.score(rows)) == 1
    chosen = sorted([*alarm.nonzero()[0][:ALARMS], *(~alarm).nonzero()[0][:NORMAL]])
    columns = {name: rows[chosen, j] for j, name in enumerate(milling.FEATURES)}
    columns["quality"] = [milling.QUALITIES[int(q)] for q in columns["quality"]]
    columns["rotational_speed"] = columns["rotational_speed"].astype(int)
    columns["tool_wear"] = columns["tool_wear"].astype(int)
    ids = {"part": [f"p{i:03d}" for i in range(len(chosen))]}
    return pa.table(ids | columns)


Runs = Callable[..., RunOutcome]


@pytest.fixture
def bulk(model: ServedModel) -> Runs:
    def done(given: Path | str, out: Path | str, ledger: Any = None, **how: Any) -> RunOutcome:
        how.setdefault("options", BulkOptions(id="part", deadline_ms=None))
        tell, workers = how.pop("tell", Quiet()), how.pop("workers", 0)
        return run(Plan(str(given), str(out), model, workers=workers, **how), tell, ledger)

    return done


@pytest.fixture
def given(tmp_path: Path, table: Any) -> Path:
    pq.write_table(table, tmp_path / "in.parquet")
    return tmp_path / "in.parquet"


@pytest.fixture(scope="module")
def expected(model: ServedModel, table: Any, tmp_path_factory: pytest.TempPathFactory) -> bytes:
    """What an undisturbed run of one process writes."""
    folder = tmp_path_factory.mktemp("expected")
    pq.write_table(table, folder / "in.parquet")
    options = BulkOptions(id="part", deadline_ms=None)
    plan = Plan(str(folder / "in.parquet"), str(folder / "out.parquet"), model, options, workers=0)
    outcome = run(plan, Quiet(), None)
    assert outcome.manifest["counts"] == {"already_target": NORMAL, "optimal": ALARMS}
    return (folder / "out.parquet").read_bytes()


# --- what is read, and written --------------------------------------------------------------------


def in_parts(table: Any, folder: Path) -> Path:
    parts = folder / "parts"
    (parts / "_temporary").mkdir(parents=True)
    (parts / "_temporary" / "left.parquet").write_bytes(b"of a writer that was killed")
    for i, start in enumerate(range(0, len(table), 25)):
        # As writers do: the types of parts differ a little, and texts may be coded.
        part = table.slice(start, 25)
        if i == 1:
            coded = part.column("quality").dictionary_encode()
            part = part.set_column(part.schema.get_field_index("quality"), "quality", coded)
            speed = part.column("rotational_speed").cast(pa.int32())
            at = part.schema.get_field_index("rotational_speed")
            part = part.set_column(at, "rotational_speed", speed)
        pq.write_table(part, parts / f"part-{i:03d}.parquet")
    return parts


def as_csv(table: Any, path: Path, **how: Any) -> Path:
    with pa.output_stream(str(path)) as stream:
        pacsv.write_csv(table, stream, pacsv.WriteOptions(**how))
    return path


def as_lines(table: Any, path: Path) -> Path:
    with pa.output_stream(str(path)) as stream:
        for row in table.to_pylist():
            stream.write(json.dumps(row).encode() + b"\n")
    return path


def as_arrow(table: Any, path: Path) -> Path:
    make = pa.ipc.new_stream if path.suffix == ".arrows" else pa.ipc.new_file
    with make(str(path), table.schema) as writer:
        writer.write_table(table, max_chunksize=7)
    return path


KEPT_AS: dict[str, Callable[[Any, Path], Path | str]] = {
    "arrow": lambda t, at: as_arrow(t, at / "in.arrow"),
    "arrow stream": lambda t, at: as_arrow(t, at / "in.arrows"),
    "csv": lambda t, at: as_csv(t, at / "in.csv"),
    "csv.gz": lambda t, at: as_csv(t, at / "in.csv.gz"),
    "tsv": lambda t, at: as_csv(t, at / "in.tsv", delimiter="\t"),
    "jsonl": lambda t, at: as_lines(t, at / "in.jsonl"),
    "jsonl.zst": lambda t, at: as_lines(t, at / "in.jsonl.zst"),
    "folder": in_parts,
    "glob": lambda t, at: f"{in_parts(t, at)}/part-*.parquet",
    "url": lambda t, at: in_parts(t, at).as_uri(),
}


@pytest.mark.parametrize("how", KEPT_AS)
def test_rows_are_answered_alike_whatever_they_are_kept_in(
    how: str, table: Any, bulk: Runs, expected: bytes, tmp_path: Path
) -> None:
    bulk(KEPT_AS[how](table, tmp_path), tmp_path / "out.parquet", slice_rows=32)
    assert (tmp_path / "out.parquet").read_bytes() == expected


@pytest.mark.parametrize("name", ["out.jsonl", "out.jsonl.gz", "out.csv.zst", "out.arrow", "out"])
def test_answers_are_written_as_their_name_says_and_hold(
    name: str, given: Path, bulk: Runs, tmp_path: Path
) -> None:
    out = tmp_path / name
    columns = ("status", "cost", "actions")
    bulk(given, out, columns=columns, kept=("quality",), is_alarms_only=True)
    assert sorted(p.name for p in tmp_path.iterdir() if p.name.startswith(".")) == []
    report = verify(str(out), models_here(), None, RowsToAsk(everything=True))
    assert (report.found, report.asked) == ([], NORMAL + ALARMS)
    assert report.manifest["output"]["rows"] == ALARMS
    assert report.manifest["output"]["columns"] == ["row", *columns, "quality"]


def models_here() -> Registry:
    found = Registry(shipped_models())
    found.load()
    return found


def test_bad_rows_stand_among_the_errors_and_the_rest_goes_on(bulk: Runs, tmp_path: Path) -> None:
    good = "p1,303.3,312.8,1384,62.7,196,L"
    lines = [
        "part,air_temperature,process_temperature,rotational_speed,torque,tool_wear,quality",
        good, "p2,303.3,312.8,1384,heavy,196,L", "p3,303.3,312.8,1384,62.7,196",
        "p4,303.3,312.8,1384,999,196,L", "",
        "p6,303.3,312.8,1384,62.7,196,Q", "p7,300,310,1500,40,10,M",
    ]  # fmt: skip
    (tmp_path / "in.csv").write_text("\n".join(lines) + "\n")
    outcome = bulk(tmp_path / "in.csv", tmp_path / "out.jsonl", slice_rows=2)
    assert outcome.manifest["counts"] == {"already_target": 1, "invalid": 5, "optimal": 1}
    rows = [json.loads(line) for line in (tmp_path / "out.jsonl").read_text().splitlines()]
    assert [row["row"] for row in rows] == list(range(7))
    errors = (tmp_path / "out.jsonl.errors.jsonl").read_text().splitlines()
    told = {each["row"]: each for each in map(json.loads, reversed(errors))}
    assert sorted(told) == [1, 2, 3, 4, 5]
    assert told[1]["problem"] == "torque is 'heavy' (str), not a number"
    assert told[2]["problem"] == "the line has 6 values, and there are 7 columns"
    assert (told[3]["id"], told[3]["high"], told[3]["unit"]) == ("p4", 100.0, "Nm")
    assert told[5]["allowed"] == ["L", "M", "H"]


LINES = {
    "": "the line is empty",
    "[1]": "no JSON object",
    '{"torque": 1': "not JSON",
    '{"torque": NaN}': "NaN is no number",
    '{"torque": 1, "torque": 2}': "torque is given twice",
    '{"torque": true}': "torque is true, not a number",
    '{"torque": 1e999}': "torque is",
    '{"quality": 7}': "quality is 7, not a text",
    "\udcff": "not UTF-8",
    "[" * 100_000: "nested",
}


def test_every_line_that_is_no_row_is_told_by_its_number(bulk: Runs, tmp_path: Path) -> None:
    text = "\n".join(LINES)
    (tmp_path / "in.jsonl").write_bytes(text.encode("utf-8", "surrogateescape") + b"\n")
    options = BulkOptions(deadline_ms=None)
    bulk(tmp_path / "in.jsonl", tmp_path / "out.jsonl", options=options, slice_rows=3)
    errors = (tmp_path / "out.jsonl.errors.jsonl").read_text().splitlines()
    told = {each["row"]: each["problem"] for each in map(json.loads, reversed(errors))}
    assert len(told) == len(LINES)
    for number, part in enumerate(LINES.values()):
        assert part in told[number], (number, told[number])


# --- the same bytes -------------------------------------------------------------------------------


@pytest.mark.parametrize(("workers", "rows"), [(0, 7), (0, 1_000), (2, 16)])
def test_output_is_the_same_for_any_number_of_processes_and_rows_at_once(
    workers: int, rows: int, given: Path, bulk: Runs, expected: bytes, tmp_path: Path
) -> None:
    bulk(given, tmp_path / "out.parquet", workers=workers, slice_rows=rows)
    assert (tmp_path / "out.parquet").read_bytes() == expected


def command(*arguments: object, **env: str) -> list[str]:
    return [sys.executable, "-m", "ifonly", "bulk", *map(str, arguments), "--id", "part"]


def killed_and_resumed(given: Path, out: Path, parts: list[int], env: dict[str, str]) -> None:
    """Runs of the command, each killed once so many parts are there; then one to the end."""
    how = command(given, out, "--batch-rows", 4, "--workers", 1, "--deadline-ms", 0)
    work = out.with_name(f".{out.name}.bulk")
    for wanted in parts:
        process = subprocess.Popen(how, env=os.environ | env, stderr=subprocess.DEVNULL)
        while len(list(work.glob("parts/*.part"))) < wanted and process.poll() is None:
            time.sleep(0.002)
        process.kill()
        process.wait()
        assert process.returncode == -signal.SIGKILL
        assert not out.exists()
    done = subprocess.run(how, env=os.environ | env, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert "going on" in done.stderr


def test_a_run_that_is_killed_goes_on_and_writes_the_same(
    given: Path, expected: bytes, tmp_path: Path
) -> None:
    out, data = tmp_path / "out.parquet", {"IFONLY_DATA": str(tmp_path / "data")}
    killed_and_resumed(given, out, [3], data)
    assert out.read_bytes() == expected
    ledger = StoreLedger(Settings(data=tmp_path / "data"), "cli:test")
    report = verify(str(out), models_here(), ledger, RowsToAsk(sample=10))
    assert (report.found, report.asked) == ([], 10)
    assert report.record == report.manifest["id"]
    assert sorted(p.name for p in tmp_path.iterdir()) == [
        "data", "in.parquet", "out.parquet", "out.parquet.manifest.json",
    ]  # fmt: skip


@pytest.mark.long
def test_a_run_that_is_killed_twenty_times_writes_the_same(
    given: Path, expected: bytes, tmp_path: Path
) -> None:
    out = tmp_path / "out.parquet"
    killed_and_resumed(given, out, [i % 15 for i in range(20)], {})
    assert out.read_bytes() == expected


class Stopped(Exception):
    """A process that ends at one step."""


STEPS = ["keep_manifest", "seal", "publish", "remove"]


@pytest.mark.parametrize("step", STEPS)
def test_a_run_that_ends_at_any_step_of_its_end_is_recorded_once_and_written_once(
    step: str, given: Path, bulk: Runs, expected: bytes, tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    from ifonly.service.bulk_runs.targets import OutputTarget
    from ifonly.service.bulk_runs.work_folder import WorkFolder

    owner: Any = {"seal": StoreLedger, "publish": OutputTarget}.get(step, WorkFolder)
    whole = getattr(owner, step)

    def ended(*args: Any, **kwargs: Any) -> Any:
        if step != "publish":
            whole(*args, **kwargs)
        raise Stopped

    ledger = StoreLedger(Settings(data=tmp_path / "data"), "cli:test")
    out = tmp_path / "out.parquet"
    with monkeypatch.context() as patched:
        patched.setattr(owner, step, ended)
        with pytest.raises(Stopped):
            bulk(given, out, ledger)
    outcome = bulk(given, out, ledger)
    assert out.read_bytes() == expected
    assert outcome.was_there == (step == "remove")
    with connect(ledger.settings.store_url).reading() as connection:
        kinds = [row.kind for row in connection.execute(tables.records.select())]
    assert kinds.count("bulk") == 1


# --- processes that die ---------------------------------------------------------------------------


class Poisoned(Answering):
    """Ends the process at one row, as a fault of a library would."""

    def __call__(self, slice_: RowSlice) -> Any:
        if 999.0 in slice_.batch.column("tool_wear").to_pylist():
            os._exit(9)
        return super().__call__(slice_)


def test_a_row_that_ends_every_process_is_told_and_the_others_are_answered(
    model: ServedModel, table: Any
) -> None:
    from ifonly.service.bulk import BulkExplainer

    rows = table.slice(0, 2).drop_columns(["part"])
    wear = [5.0, 999.0]
    rows = rows.set_column(rows.schema.get_field_index("tool_wear"), "tool_wear", pa.array(wear))
    answering = Poisoned(BulkExplainer(model, BulkOptions(deadline_ms=None)))
    slices = [RowSlice(0, 100, rows.combine_chunks().to_batches()[0])]
    with pytest.MonkeyPatch.context() as patched:
        # What is pickled is of this module, which the process has to find.
        patched.setenv("PYTHONPATH", str(Path(__file__).parents[2]))
        with AnsweringPool(answering, 1) as workers:
            ((_, part),) = workers.answered(iter(slices))
    assert part.output.column("row").to_pylist() == [100, 101]
    status = part.output.column("status").to_pylist()
    assert (status[1], status[0] == "invalid") == ("invalid", False)
    assert part.problems.column("problem").to_pylist() == [
        "the process that answered it ended, each time"
    ]


# --- what cannot be done --------------------------------------------------------------------------


def nothing_written(folder: Path) -> bool:
    return not any(path.name.startswith("out") for path in folder.iterdir())


def test_input_that_changed_since_a_run_was_ended_is_refused(
    given: Path, bulk: Runs, table: Any, expected: bytes, tmp_path: Path
) -> None:
    out = tmp_path / "out.parquet"

    class Ending(Quiet):
        def answered(self, *told: Any) -> None:
            raise Stopped

    with pytest.raises(Stopped):
        bulk(given, out, slice_rows=8, tell=Ending())
    before = given.read_bytes()
    pq.write_table(table.slice(1), given)
    with pytest.raises(CannotBulk, match=r"in\.parquet was changed.*--restart"):
        bulk(given, out)
    given.write_bytes(before)
    with pytest.raises(CannotBulk, match=r"only was .*all.*, and is .*alarms"):
        bulk(given, out, is_alarms_only=True)
    bulk(given, out)
    assert out.read_bytes() == expected


def test_output_that_is_there_is_kept_and_the_same_run_again_does_nothing(
    given: Path, bulk: Runs, table: Any, expected: bytes, tmp_path: Path
) -> None:
    out = tmp_path / "out.parquet"
    out.write_bytes(b"mine")
    with pytest.raises(CannotBulk, match="is there already, of no run"):
        bulk(given, out)
    assert out.read_bytes() == b"mine"
    bulk(given, out, overwrite=True)
    assert bulk(given, out).was_there
    pq.write_table(table.slice(1), given)
    with pytest.raises(CannotBulk, match=r"of another run: in\.parquet was changed"):
        bulk(given, out)
    assert out.read_bytes() == expected
    assert not list(tmp_path.glob(".*"))


def test_output_among_its_own_input_is_not_read(
    bulk: Runs, given: Path, expected: bytes, tmp_path: Path
) -> None:
    everything, out = tmp_path / "*.parquet", tmp_path / "out.parquet"
    bulk(everything, out)
    assert bulk(everything, out).was_there
    assert verify(str(out), models_here(), None, RowsToAsk(sample=2)).found == []
    assert out.read_bytes() == expected


def test_two_runs_with_one_output_are_not_at_once(given: Path, bulk: Runs, tmp_path: Path) -> None:
    out, said = tmp_path / "out.parquet", []

    class Another(Quiet):
        def writing(self) -> None:
            with pytest.raises(CannotBulk, match="another run is writing the same output") as told:
                bulk(given, out)
            said.append(told.value)

    bulk(given, out, tell=Another())
    assert len(said) == 1


def test_a_full_disk_is_told_and_the_run_goes_on_once_there_is_room(
    given: Path, bulk: Runs, expected: bytes, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # /dev/full is what Linux has for this; the parts' folder leads there.
    if not Path("/dev/full").exists():
        pytest.skip("no /dev/full here")
    out, real = tmp_path / "out.parquet", Path.open

    def full(path: Path, mode: str = "r", *how: Any, **more: Any) -> Any:
        is_answers = path.name == "output" and "w" in mode
        return real(Path("/dev/full") if is_answers else path, mode, *how, **more)

    with monkeypatch.context() as patched:
        patched.setattr(Path, "open", full)
        with pytest.raises(CannotBulk, match="No space left on device"):
            bulk(given, out)
    assert nothing_written(tmp_path)
    tell = Quiet()
    bulk(given, out, tell=tell)
    assert out.read_bytes() == expected


def test_a_part_that_cannot_be_read_is_named_and_nothing_is_written(
    bulk: Runs, table: Any, tmp_path: Path
) -> None:
    parts = in_parts(table, tmp_path)
    broken = parts / "part-001.parquet"
    data = bytearray(broken.read_bytes())
    data[4:400] = b"\xff" * 396  # its pages; its footer is whole
    broken.write_bytes(data)
    with pytest.raises(CannotBulk, match=r"part-001\.parquet cannot be read"):
        bulk(parts, tmp_path / "out.parquet")
    broken.write_bytes(data[:300])
    with pytest.raises(CannotBulk, match=r"part-001\.parquet cannot be read"):
        bulk(parts, tmp_path / "out.parquet", restart=True)
    assert nothing_written(tmp_path)


def test_columns_that_change_from_file_to_file_are_told(
    bulk: Runs, table: Any, tmp_path: Path
) -> None:
    parts = in_parts(table, tmp_path)
    pq.write_table(table.drop_columns(["torque"]), parts / "part-009.parquet")
    with pytest.raises((CannotBulk, InvalidTable), match="torque"):
        bulk(parts, tmp_path / "out.parquet")
    at = table.schema.get_field_index("part")
    numbers = pa.array(range(len(table)))
    pq.write_table(table.set_column(at, "part", numbers), parts / "part-009.parquet")
    with pytest.raises(CannotBulk, match=r"part-009\.parquet: part is int64, and string in"):
        bulk(parts, tmp_path / "out.parquet")
    assert nothing_written(tmp_path)


@pytest.mark.parametrize(
    ("how", "said"),
    [
        ({"out": "out.xlsx"}, "answers are written as"),
        ({"out": "out.parquet.gz"}, "answers are written as"),
        ({"given": "nothing.parquet"}, "is not there"),
        ({"given": "*.nothing"}, "has no files"),
        ({"columns": ("price",)}, "--columns price: there are row, id, status"),
        ({"kept": ("price",)}, "--keep price: .* has no such column"),
        ({"read": ReadOptions(InputFormat.CSV, delimiter=";;")}, "is ';;', not one character"),
        ({"read": ReadOptions(InputFormat.CSV, encoding="x-none")}, "'x-none' is not known here"),
        ({"read": ReadOptions(InputFormat.ARROW)}, r"in\.parquet cannot be read"),
        ({"options": BulkOptions(id="nope")}, "nope is no column of the table"),
    ],
)
def test_what_cannot_be_meant_is_refused_before_anything_is_done(
    how: dict[str, Any], said: str, given: Path, bulk: Runs, tmp_path: Path
) -> None:
    given = tmp_path / how.pop("given") if "given" in how else given
    out = tmp_path / how.pop("out", "out.parquet")
    with pytest.raises((CannotBulk, InvalidRequest, InvalidTable), match=said):
        bulk(given, out, **how)
    assert nothing_written(tmp_path)
    assert not list(tmp_path.glob(".*"))


# --- run by others --------------------------------------------------------------------------------


@pytest.mark.slow
def test_the_dag_of_the_how_to_runs(
    given: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    page = Page("how-to/airflow.md")
    (code,) = page.of("python")
    counts: list[Any] = []

    def task(work: Callable[[Any], Any]) -> Callable[[Any], Any]:
        def done(given: Any) -> Any:
            counts.append(work("2026-01-31" if given == "{{ ds }}" else given))
            return counts[-1]

        return done

    # As much of Airflow as the page uses: what tasks do is done.
    airflow = ModuleType("airflow.sdk")
    vars(airflow).update(dag=lambda **_: lambda dag: dag, task=task)
    monkeypatch.setitem(sys.modules, "airflow", ModuleType("airflow"))
    monkeypatch.setitem(sys.modules, "airflow.sdk", airflow)
    monkeypatch.setenv("ROWS", str(tmp_path))
    monkeypatch.setenv("ANSWERS", str(tmp_path / "answers"))
    monkeypatch.setenv("PATH", f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}")
    (tmp_path / "answers").mkdir()
    given.rename(tmp_path / "2026-01-31.parquet")
    exec(compile(code, page.name, "exec"), {})  # our own page, not input
    assert counts[-1] == {"already_target": NORMAL, "optimal": ALARMS}


# --- checked afterwards ---------------------------------------------------------------------------


@pytest.fixture
def recorded(given: Path, bulk: Runs, tmp_path: Path) -> tuple[Path, StoreLedger]:
    ledger = StoreLedger(Settings(data=tmp_path / "data"), "cli:test")
    bulk(given, tmp_path / "out.jsonl", ledger)
    return tmp_path / "out.jsonl", ledger


def told(report: RunVerification) -> str:
    return "\n".join(f"{each.where}: {each.says}" for each in report.found)


def test_one_value_that_was_changed_is_found_wherever_it_stands(
    recorded: tuple[Path, StoreLedger], tmp_path: Path
) -> None:
    out, ledger = recorded
    models = models_here()

    def found(**wanted: Any) -> str:
        return told(verify(str(out), models, ledger, RowsToAsk(**wanted)))

    assert found(everything=True) == ""
    whole = out.read_text()
    rows = [json.loads(line) for line in whole.splitlines()]
    at = next(i for i, row in enumerate(rows) if row["status"] == "optimal")
    rows[at]["actions"][0]["to"] += 0.1
    out.write_text("".join(writing.as_json(row) + "\n" for row in rows))
    assert "is not what was written" in found(sample=0)
    assert f"row {at} (p{at:03d}): /actions/0/to is" in found(rows=(f"p{at:03d}",))
    out.write_text("".join(line + "\n" for line in whole.splitlines()[:-1]))
    assert f"row {NORMAL + ALARMS - 1}" in found(everything=True)
    out.write_text(whole)

    manifest = Path(f"{out}.manifest.json")
    before = manifest.read_text()
    manifest.write_text(before.replace('"optimal": 4', '"optimal": 5'))
    assert "is not the one that record" in found(sample=0)
    manifest.write_text(before)

    database = connect(ledger.settings.store_url)
    with database.writer.begin() as connection:
        changed = tables.records.update().where(tables.records.c.kind == "bulk")
        connection.execute(changed.values(actor="cli:another"))
    assert "is not what was sealed" in found(sample=0)


def test_an_alarm_that_was_taken_out_is_missed(
    given: Path, bulk: Runs, table: Any, tmp_path: Path
) -> None:
    out, options = tmp_path / "out.jsonl", BulkOptions(deadline_ms=None)
    bulk(given, out, options=options, is_alarms_only=True)
    first, *others = out.read_text().splitlines(keepends=True)
    number = json.loads(first)["row"]
    out.write_text("".join(others))
    for wanted in (
        RowsToAsk(everything=True),
        RowsToAsk(rows=(str(number),)),
        RowsToAsk(sample=1_000),
    ):
        assert f"row {number}: is missing" in told(verify(str(out), models_here(), None, wanted))


def test_a_run_without_a_store_says_so_and_is_checked_all_the_same(
    given: Path, bulk: Runs, tmp_path: Path
) -> None:
    out = tmp_path / "out.parquet"
    bulk(given, out)
    report = verify(str(out), models_here(), None, RowsToAsk(sample=6))
    assert (report.holds, report.asked, report.record) == (True, 6, None)
    assert "no store is set up" in report.notes[0]
    given.unlink()
    moved = verify(str(out), models_here(), None, RowsToAsk())
    assert "--input says where it is now" in moved.notes[-1]
    with pytest.raises(CannotBulk, match="nothing says what"):
        verify(str(tmp_path / "other.parquet"), models_here(), None, RowsToAsk())


# --- other places ---------------------------------------------------------------------------------


def test_a_delta_table_is_read_at_a_version(
    table: Any, bulk: Runs, expected: bytes, tmp_path: Path
) -> None:
    deltalake = pytest.importorskip("deltalake")
    lake = str(tmp_path / "lake")
    deltalake.write_deltalake(lake, table)
    deltalake.write_deltalake(lake, table.slice(0, 5), mode="append")
    bulk(lake, tmp_path / "out.parquet", read=ReadOptions(table_version="0"))
    assert (tmp_path / "out.parquet").read_bytes() == expected
    newest = bulk(lake, tmp_path / "new.parquet")
    assert newest.manifest["rows"] == len(table) + 5
    assert newest.manifest["input"]["table_version"] == "1"


def test_an_iceberg_table_is_read_by_its_metadata(
    table: Any, bulk: Runs, expected: bytes, tmp_path: Path
) -> None:
    sql = pytest.importorskip("pyiceberg.catalog.sql")
    catalog = sql.SqlCatalog(
        "c", uri=f"sqlite:///{tmp_path}/catalog.db", warehouse=tmp_path.as_uri()
    )
    catalog.create_namespace("plant")
    made = catalog.create_table("plant.parts", schema=table.schema)
    made.append(table)
    bulk(made.metadata_location, tmp_path / "out.parquet")
    assert (tmp_path / "out.parquet").read_bytes() == expected


def test_a_store_of_objects_is_read_and_written_through_fsspec(
    given: Path, bulk: Runs, expected: bytes, tmp_path: Path
) -> None:
    fsspec = pytest.importorskip("fsspec")
    memory = fsspec.filesystem("memory")
    memory.pipe_file("/rows/in.parquet", given.read_bytes())
    out = "memory://rows/out.parquet"
    bulk("memory://rows/*.parquet", out, work=tmp_path / "work")
    assert memory.cat_file("/rows/out.parquet") == expected
    assert bulk("memory://rows/in.parquet", out, work=tmp_path / "work").was_there
    assert verify(out, models_here(), None, RowsToAsk(sample=4)).asked == 4
