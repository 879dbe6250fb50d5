"""The command `ifonly bulk`: its exit codes, what it prints, its page."""

from __future__ import annotations

import json
import logging
import re
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

pytest.importorskip("pyarrow")

from ifonly.explainers.wording import LANGUAGES, Language
from ifonly.models.repository import load_folder
from ifonly.service.bulk_runs.report import report_of
from ifonly.service.doors.cli import main
from ifonly.service.settings import shipped_models

HEADER = "air_temperature,process_temperature,rotational_speed,torque,tool_wear,quality"
ALARM, NORMAL = "303.3,312.8,1384,62.7,196,L", "300,310,1500,40,10,M"
BAD = "300,310,1500,<b>,10,M"

Here = Callable[..., Any]


@pytest.fixture
def here(
    capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> Iterator[Here]:
    """A command in this process, in a folder of its own."""
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    monkeypatch.chdir(tmp_path)

    def run(*arguments: str) -> Any:
        monkeypatch.setattr(sys, "argv", ["ifonly", "bulk", *arguments])
        with pytest.raises(SystemExit) as end:
            main()
        printed = capfd.readouterr()
        return SimpleNamespace(code=end.value.code, out=printed.out, err=printed.err)

    yield run
    root.handlers[:] = handlers
    root.setLevel(level)


def rows(name: str, *lines: str) -> None:
    Path(name).write_text("\n".join([HEADER, *lines]) + "\n")


def test_a_run_says_what_came_out_and_ends_with_3_where_rows_are_bad(here: Here) -> None:
    rows("in.csv", ALARM, NORMAL, BAD)
    first = here("in.csv", "out.jsonl", "--workers", "0", "--languages", "ko")
    assert first.code == 3, first.err
    assert re.search(r"no alarm +1  33.3 %", first.out)
    assert "out.jsonl: 3 rows" in first.out
    assert "1 rows could not be answered" in first.out
    assert "not recorded" in first.out
    line = json.loads(Path("out.jsonl").read_text().splitlines()[0])
    assert line["sentence_ko"].startswith("토크가 8.5 Nm 더 낮았다면")
    again = here("in.csv", "out.jsonl", "--workers", "0", "--languages", "ko", "--json")
    assert (again.code, json.loads(again.out)["was_there"]) == (3, True)
    verified = here("verify", "out.jsonl", "--all", "--json")
    assert (verified.code, json.loads(verified.out)["asked"]) == (0, 3)
    unrecorded = here("verify", "out.jsonl", "--recorded", "--sample", "0")
    assert (unrecorded.code, "has no record" in unrecorded.out) == (1, True)
    Path("out.jsonl").write_text("")
    changed = here("verify", "out.jsonl")
    assert changed.code == 1
    assert "out.jsonl: is not what was written" in changed.out


def test_a_store_in_the_settings_records_the_run_and_each_look_at_it(
    here: Here, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("IFONLY_DATA", str(tmp_path / "data"))
    rows("in.csv", NORMAL)
    done = here("in.csv", "out.csv", "--workers", "0")
    assert done.code == 0, done.err
    (identity,) = re.findall(r"recorded: (\S+)", done.out)
    assert f"record {identity} holds" in here("verify", "out.csv").out
    monkeypatch.setattr(sys, "argv", ["ifonly", "audit", "replay", identity])
    with pytest.raises(SystemExit) as end:
        main()
    assert end.value.code == 1


@pytest.mark.parametrize(
    ("arguments", "code", "said"),
    [
        (("in.csv", "out.xlsx"), 2, "answers are written as"),
        (("in.csv", "out.csv", "--columns", "price"), 2, "--columns price"),
        (("in.csv", "out.csv", "--target", "broken"), 2, "not a class"),
        (("in.csv", "out.csv", "--constraints", '{"freeze": ["x"]}'), 2, "x is not a feature"),
        (("in.csv", "out.csv", "--name", "torque=Nm"), 2, "Nm is no column"),
        (("in.csv", "out.csv", "--name", "torque"), 2, "feature=column"),
        (("in.csv", "out.csv", "--languages", "fr"), 2, "fr"),
        (("nothing.csv", "out.csv"), 1, "nothing.csv is not there"),
        (("verify", "nothing.csv"), 1, "nothing.csv.manifest.json is not there"),
    ],
)
def test_what_is_wrong_is_one_message_and_an_exit_code(
    arguments: tuple[str, ...], code: int, said: str, here: Here
) -> None:
    rows("in.csv", NORMAL)
    ended = here(*arguments)
    assert ended.code == code
    assert said in re.sub(r"[│\s]+", " ", ended.err)
    assert "Traceback" not in ended.err
    assert [path.name for path in Path().iterdir()] == ["in.csv"]


@pytest.mark.parametrize("language", LANGUAGES)
def test_the_report_is_one_page_of_its_own_in_each_language(language: Language, here: Here) -> None:
    rows("in.csv", ALARM, NORMAL, BAD)
    options = ("--workers", "0", "--report", "run.html", "--report-language", language)
    assert here("in.csv", "out.parquet", *options).code == 3
    page = Path("run.html").read_text(encoding="utf-8")
    assert f'<html lang="{language}">' in page
    assert not re.search(r"<script|https?://|src=|\bhref=", page)
    torque = load_folder(shipped_models() / "milling-machine" / "1").spec.schema.features[3]
    assert torque.label(language) in page
    assert re.findall(r"sha256 [0-9a-f]{64}", page)


def test_names_of_strangers_are_text_on_the_page(here: Here) -> None:
    rows("<b>in.csv", BAD)
    assert here("<b>in.csv", "out.csv", "--workers", "0", "--report", "run.html").code == 3
    page = Path("run.html").read_text(encoding="utf-8")
    assert "<b>" not in page
    manifest = json.loads(Path("out.csv.manifest.json").read_text())
    schema = load_folder(shipped_models() / "milling-machine" / "1").spec.schema
    assert page == report_of(manifest, schema, "en")


def test_without_pyarrow_the_line_that_installs_it_is_named() -> None:
    code = (
        "import sys; sys.modules['pyarrow'] = None; sys.argv = ['ifonly', 'bulk', 'a', 'b']; "
        "from ifonly.service.doors.cli import main; main()"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (1, "")
    assert "pip install 'ifonly[bulk]'" in done.stderr
