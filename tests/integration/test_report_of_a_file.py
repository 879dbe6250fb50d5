"""`ifonly report FILE` counts what the auditors' report counts, whatever the file's format; it says
what does not hold, and what it cannot count."""

from __future__ import annotations

import csv
import io
import json
import re
import shutil
from contextlib import closing, suppress
from pathlib import Path
from typing import Any

import httpx
import pytest
import sqlalchemy as sa

pa = pytest.importorskip("pyarrow")
import pyarrow.parquet as pq  # noqa: E402

from ifonly.explainers.wording import LANGUAGES, Language  # noqa: E402
from ifonly.models.repository import load_folder  # noqa: E402
from ifonly.service.bulk import BulkOptions  # noqa: E402
from ifonly.service.bulk_runs import manifest  # noqa: E402
from ifonly.service.bulk_runs.common_change import MOST_ALARMS, CohortQuestion  # noqa: E402
from ifonly.service.bulk_runs.planning import Plan  # noqa: E402
from ifonly.service.bulk_runs.recourse import (  # noqa: E402
    FileQuestion,
    FileRecourse,
    recourse,
    rule_words,
)
from ifonly.service.bulk_runs.run import run  # noqa: E402
from ifonly.service.bulk_runs.written_cases import CaseReader  # noqa: E402
from ifonly.service.doors.pages.auditor.file_report import file_report  # noqa: E402
from ifonly.service.errors import CannotBulk  # noqa: E402
from ifonly.service.served.registry import Registry, ServedModel, prepare  # noqa: E402
from ifonly.service.settings import Settings, shipped_models  # noqa: E402
from ifonly.service.store import tables  # noqa: E402
from ifonly.service.store.database import connect  # noqa: E402
from tests.integration.shop import Shop  # noqa: E402
from tests.integration.test_bulk_runs import Quiet, models_here  # noqa: E402

FOLDER = shipped_models() / "milling-machine" / "1"
FEATURES = (
    "air_temperature", "process_temperature", "rotational_speed", "torque", "tool_wear", "quality",
)  # fmt: skip
ROWS = (
    (303.3, 312.8, 1384, 62.7, 196, "L", "day"),
    (302.8, 312.3, 1375, 53.9, 213, "L", "night"),
    (303.3, 312.8, 1390, 61.2, 200, "M", "night"),
    (300.0, 310.0, 1500, 40.0, 10, "M", "day"),
    (300.0, 310.0, 1510, 41.0, 12, "H", "=day"),
    (302.9, 312.4, 1378, 54.9, 214, "L", None),
)
FROZEN = {"freeze": ["torque", "rotational_speed", "process_temperature"]}
COUNTED = ("total", "groups", "comparison", "levers", "sparsity", "blockers", "policies", "erased")


@pytest.fixture(scope="module")
def model() -> ServedModel:
    return prepare(load_folder(FOLDER))


@pytest.fixture(scope="module")
def registry() -> Registry:
    return models_here()


@pytest.fixture(scope="module")
def table() -> Any:
    columns = zip(*ROWS, strict=True)
    return pa.table(dict(zip((*FEATURES, "shift"), map(list, columns), strict=True)))


@pytest.fixture(scope="module")
def answered(model: ServedModel, table: Any, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Outputs of one input: kept columns or not, alarms or all, in each format."""
    folder = tmp_path_factory.mktemp("answered")
    pq.write_table(table, folder / "in.parquet")
    for name, kept, constraints in (
        ("kept.parquet", ("shift",), {}),
        ("joined.csv", (), {}),
        ("parts", ("shift", "torque"), {}),
        ("frozen.jsonl", ("shift",), FROZEN),
    ):
        plan = Plan(
            str(folder / "in.parquet"),
            str(folder / name),
            model,
            BulkOptions(constraints=constraints, deadline_ms=None),
            kept=kept,
            is_alarms_only=name == "joined.csv",
            workers=0,
        )
        run(plan, Quiet(), None)
    return folder


@pytest.fixture
def of(registry: Registry, answered: Path) -> Any:
    def reported(name: str, **asked: Any) -> FileRecourse:
        return recourse(str(answered / name), registry, None, FileQuestion(**asked))

    return reported


@pytest.fixture
def unrecorded(shop: Shop, monkeypatch: pytest.MonkeyPatch) -> Shop:
    """The command line, where no store is set up."""
    monkeypatch.delenv("IFONLY_DATA")
    monkeypatch.chdir(shop.path)
    return shop


# --- the same numbers -----------------------------------------------------------------------------


def test_a_file_is_counted_as_the_same_rows_are_that_were_recorded(
    client: httpx.Client, of: Any
) -> None:
    for name, constraints in (("kept.parquet", {}), ("frozen.jsonl", FROZEN)):
        newest = client.get("/api/v1/audit/events", params={"limit": "1"}).json()["events"]
        ids = []
        for *values, shift in ROWS:
            body = {
                "instance": dict(zip(FEATURES, values, strict=True)),
                "constraints": constraints,
                "attributes": {} if shift is None else {"shift": shift},
                "languages": list(LANGUAGES),
            }
            reply = client.post("/api/v1/models/milling-machine/explanations", json=body)
            assert reply.status_code == 200, reply.text
            ids.append(reply.json()["id"])
        first = client.get(f"/api/v1/audit/events/{ids[0]}").json()
        assert not newest or newest[0]["id"] != ids[0]
        since = first.get("event", first)["time"]
        for column in ("shift", "quality", "torque"):
            by = f"{'attribute' if column == 'shift' else 'feature'}:{column}"
            query = {"model": "milling-machine", "since": since, "by": by}
            recorded = client.get("/api/v1/audit/report", params=query).json()
            counted = of(name, by=(column,)).as_json()["report"]
            assert counted["by"] == by
            for part in COUNTED:
                assert counted[part] == recorded[part], (name, part)
        asked = {
            "model": "milling-machine",
            "since": since,
            "by": ["attribute:shift", "feature:torque"],
            "least": 2,
        }
        recorded = client.get("/api/v1/audit/fairness", params=asked).json()
        counted = of(name, by=("shift", "torque"), least=2).as_json()["fairness"]
        assert recorded["tests"] > 0
        for part in ("by", "asked", "tests", "groups", "small", "differences", "reach", "outcomes"):
            assert counted[part] == recorded[part], (name, part)


def test_however_it_is_written_and_joined_it_is_counted_alike(of: Any) -> None:
    kept = of("kept.parquet", by=("shift",)).reply
    for name in ("parts", "joined.csv"):
        other = of(name, by=("shift",)).reply
        assert (other.levers, other.sparsity, other.blockers) == (
            kept.levers,
            kept.sparsity,
            kept.blockers,
        )
        assert other.total.success == kept.total.success
        assert {g.key: g.success for g in kept.groups if g.success.of} == {
            g.key: g.success for g in other.groups if g.success.of
        }
    assert (
        of("parts", by=("torque",)).reply.groups == of("kept.parquet", by=("torque",)).reply.groups
    )
    notes = [note["en"] for note in of("joined.csv").reply.notes]
    assert any("2 rows whose decision was as wanted are not in it" in note for note in notes)


def test_a_number_of_a_csv_file_and_one_of_a_column_are_one(of: Any) -> None:
    assert of("joined.csv").reply.levers == of("kept.parquet").reply.levers


def test_one_change_for_the_alarms_is_sought_as_the_api_seeks_it(of: Any) -> None:
    settings = Settings(models=shipped_models())
    (told,) = of("kept.parquet", common=CohortQuestion(1, settings)).reply.common
    assert (told.alarms, told.proven) == (4, True)
    assert told.cleared >= 1
    assert len(told.settings) == 1
    drawn = CohortQuestion(1, settings).drawn(range(2 * MOST_ALARMS))
    assert drawn == CohortQuestion(1, settings).drawn(range(2 * MOST_ALARMS))
    assert len(set(drawn)) == MOST_ALARMS


def test_each_rule_of_a_run_has_words(model: ServedModel, answered: Path) -> None:
    said = json.loads((answered / "frozen.jsonl.manifest.json").read_bytes())
    words = rule_words(model, said)
    assert said["blocked_by"].keys() <= words.keys()
    assert all(set(each) == set(LANGUAGES) for each in words.values())


# --- what does not hold, and what cannot be counted -----------------------------------------------


def changed(answered: Path, to: Path, before: str, after: str) -> Path:
    for end in ("", ".manifest.json"):
        shutil.copyfile(answered / f"frozen.jsonl{end}", f"{to}{end}")
    text = to.read_text()
    assert before in text
    to.write_text(text.replace(before, after))
    return to


def test_a_file_that_was_changed_is_told_to_be(
    answered: Path, registry: Registry, tmp_path: Path
) -> None:
    to = changed(answered, tmp_path / "a.jsonl", "infeasible", "optimal")
    found = recourse(str(to), registry, None, FileQuestion())
    assert not found.verification.holds
    for tag in LANGUAGES:
        assert "is not what was written" in file_report(found, "a.jsonl", tag)
    for before, after in (
        ('"infeasible"', '"proven"'),
        ('"row":0', '"row":"first"'),
        ('"blocked_by":[', '"blocked_by":[["x"],'),
        ('{"row":0', '7\n{"row":0'),
        ('{"row":0', "{"),
    ):
        to = changed(answered, tmp_path / "a.jsonl", before, after)
        # Refused in words, or counted and told to be false: never another error.
        with suppress(CannotBulk):
            assert not recourse(str(to), registry, None, FileQuestion()).verification.holds


def test_a_manifest_that_lacks_anything_is_none(answered: Path, tmp_path: Path) -> None:
    written = json.loads((answered / "frozen.jsonl.manifest.json").read_bytes())
    assert manifest.read(json.dumps(written).encode(), "it") == written
    others: tuple[Any, ...] = (None, [], "x", {"files": [{}]})
    for part in ("identity", "input", "how", "output", "rows", "counts", "deadline_hit", "begun"):
        for instead in others:
            with pytest.raises(CannotBulk, match="it is no manifest"):
                manifest.read(json.dumps({**written, part: instead}).encode(), "it")
    for data in (b"", b"[]", b"7", b"\xff", b'{"format": 1}'):
        with pytest.raises(CannotBulk, match="it is no manifest"):
            manifest.read(data, "it")


@pytest.mark.parametrize(
    "line",
    [
        {},
        {"row": 1},
        {"row": 1, "status": "fine"},
        {"row": 1, "status": "optimal", "cost": "much"},
        {"row": 1, "status": "optimal", "cost": [1]},
        {"row": 1, "status": "optimal", "actions": "[1]"},
        {"row": 1, "status": "optimal", "actions": [{"unit": "Nm"}]},
        {"row": 1, "status": "optimal", "actions": [{"feature": "x", "from": "a", "to": 1}]},
        {"row": 1, "status": "infeasible", "blocked_by": "[[1]"},
        {"row": 1, "status": "infeasible", "blocked_by": [{}]},
        {"status": "optimal"},
        {"row": 1, "status": ["optimal"]},
    ],
)
def test_a_line_that_no_run_writes_is_refused_by_its_row(line: dict[str, Any]) -> None:
    with pytest.raises(CannotBulk, match="row"):
        CaseReader("policy").case(line, {}, {})


@pytest.mark.parametrize(
    ("name", "asked", "code", "said"),
    [
        ("in.parquet", (), 1, "in.parquet.manifest.json is not there"),
        ("", (), 1, "in it are the answers of 4 runs"),
        ("kept.parquet", ("--by", "line"), 2, "--by line: neither the answers nor"),
        ("kept.parquet", ("--common", "4"), 2, "--common"),
        ("kept.parquet", ("--language", "fr"), 2, "fr"),
        ("kept.parquet", ("--csv", "--json"), 2, "choose one"),
        ("joined.csv", ("--by", "shift", "--input", "gone.parquet"), 1, "gone.parquet"),
        ("joined.csv", ("--by", "shift", "--input", "{kept}"), 1, "not what was read"),
    ],
)
def test_what_is_wrong_is_one_message_and_an_exit_code(
    name: str, asked: tuple[str, ...], code: int, said: str, unrecorded: Shop, answered: Path
) -> None:
    kept = str(answered / "kept.parquet")
    ended = unrecorded.command(
        "report", str(answered / name), *(a.format(kept=kept) for a in asked)
    )
    assert (ended.code, "Traceback" in ended.err) == (code, False)
    assert said in re.sub(r"[│\s]+", " ", ended.err)


def test_columns_that_are_missing_and_files_of_nothing_are_named(
    model: ServedModel, registry: Registry, answered: Path, tmp_path: Path
) -> None:
    given = str(answered / "in.parquet")
    short = Plan(given, str(tmp_path / "a.csv"), model, columns=("status", "cost"), workers=0)
    run(short, Quiet(), None)
    with pytest.raises(CannotBulk, match="has no column actions"):
        recourse(str(tmp_path / "a.csv"), registry, None, FileQuestion())
    (tmp_path / "bad.csv").write_text(",".join(FEATURES) + "\n300,310,1500,<b>,10,M\n")
    run(Plan(str(tmp_path / "bad.csv"), str(tmp_path / "b.csv"), model, workers=0), Quiet(), None)
    with pytest.raises(CannotBulk, match="nothing to report of its 1 rows"):
        recourse(str(tmp_path / "b.csv"), registry, None, FileQuestion())


def test_without_the_model_what_is_there_is_counted(
    answered: Path, tmp_path: Path, of: Any
) -> None:
    class Nothing:
        def names(self) -> tuple[str, ...]:
            return ()

    nothing: Any = Nothing()
    path = str(answered / "frozen.jsonl")
    found = recourse(path, nothing, None, FileQuestion(by=("shift",)))
    assert found.reply.total == of("frozen.jsonl", by=("shift",)).reply.total
    assert found.reply.blockers[0].text["ko"] == found.reply.blockers[0].key
    with pytest.raises(CannotBulk, match="needs the model"):
        recourse(path, nothing, None, FileQuestion(by=("quality",)))


# --- as people see it -----------------------------------------------------------------------------


@pytest.mark.parametrize("language", LANGUAGES)
def test_the_page_is_one_file_in_each_language(language: Language, of: Any) -> None:
    page = file_report(of("kept.parquet", by=("shift",)), "<b>kept.parquet", language)
    assert f'<html lang="{language}"' in page
    assert not re.search(r"<script|src=|<link|url\(|@import|<b>kept", page)
    assert page.count('class="interval"') > 10
    assert "href=" not in page


def test_the_command_writes_the_page_csv_and_json(unrecorded: Shop, answered: Path) -> None:
    shop = unrecorded
    path, page = str(answered / "kept.parquet"), shop.path / "page.html"
    told = shop.command("report", path, "--by", "shift", "--html", str(page), "--language", "ko")
    assert told.code == 0, told.err
    assert "4 groups" in told.out
    assert '<html lang="ko"' in page.read_text()
    sheet = shop.command("report", path, "--by", "shift", "--csv").out.lstrip("\ufeff")
    rows = list(csv.DictReader(io.StringIO(sheet)))
    assert {row["name"] for row in rows if row["section"] == "group"} >= {"day", "'=day"}
    assert any(row["section"] == "sparsity" for row in rows)
    said = json.loads(shop.command("report", path, "--json").out)
    assert said["verification"]["holds"] is True
    assert said["report"]["total"]["asked"] == len(ROWS)
    assert not list(answered.glob("*.report.html"))


def test_a_record_vouches_for_the_file_and_who_reports_is_recorded(
    shop: Shop, answered: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(shop.path)
    given = str(answered / "in.parquet")
    done = shop.command("bulk", given, "out.parquet", "--only", "alarms", "--workers", "0")
    (identity,) = re.findall(r"recorded: (\S+)", done.out)
    told = shop.command("report", "out.parquet", "--by", "shift")
    assert told.code == 0, told.err
    assert f"record {identity} holds" in told.out
    assert f"Record {identity} vouches" in Path("out.parquet.report.html").read_text()
    database = connect(f"sqlite:///{shop.path / 'data' / 'ifonly.sqlite3'}")
    with closing(database), database.reading() as connection:
        looked = sa.select(tables.records.c.detail).where(tables.records.c.about == identity)
        assert [json.loads(found)["by"] for found in connection.scalars(looked)] == [
            "ifonly report"
        ]
    Path("out.parquet").write_bytes(b"PAR1 and nothing else PAR1")
    broken = shop.command("report", "out.parquet")
    assert (broken.code, "Traceback" in broken.err) == (1, False)
    assert "out.parquet cannot be read" in broken.err
