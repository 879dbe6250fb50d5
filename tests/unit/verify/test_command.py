"""``ifonly verify``: exit codes, files of every shape, and nothing of the engines imported."""

from __future__ import annotations

import copy
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import typer
from typer.testing import CliRunner, Result

from ifonly.models.errors import ModelError
from ifonly.service.doors.cli.verify import _checked, verify
from tests.support.answered import MILLING, Answered, served
from tests.unit.verify.test_exported import leaves, with_value

ROOT = Path(__file__).resolve().parents[3]
app = typer.Typer()
app.command()(verify)


def run(file: Path, model: Path, *more: str, text: str | None = None) -> Result:
    return CliRunner().invoke(app, [str(file), "--model", str(model), *more], input=text)


def written(tmp_path: Path, name: str, document: Any) -> Path:
    file = tmp_path / name
    file.write_text(document if isinstance(document, str) else json.dumps(document))
    return file


def refused(done: Result) -> str:
    """What is said where nothing can be checked: one sentence, exit code 2, no traceback."""
    assert done.exit_code == 2, (done.output, done.exception)
    assert isinstance(done.exception, SystemExit | None)
    assert "Traceback" not in done.output
    assert done.stdout == ""
    assert done.stderr.count("\n") == 1, done.stderr
    assert "cannot be checked: " in done.stderr
    return done.stderr


# --- what can be read ---------------------------------------------------------------------------


def test_an_answer_that_holds_is_0_and_one_that_does_not_is_1(
    answers: dict[str, Answered], tmp_path: Path
) -> None:
    found = answers["regression"]
    question = written(tmp_path, "question.json", found.request)
    right = run(written(tmp_path, "a.json", found.reply), found.folder, "--question", str(question))
    assert right.exit_code == 0, right.output
    assert "all hold" in right.stdout
    assert "the request is at hand" in right.stdout
    changed = with_value(found.reply, ("counterfactuals", 0, "cost"), 0.25)
    wrong = run(written(tmp_path, "b.json", changed), found.folder)
    assert wrong.exit_code == 1
    assert "FAILS" in wrong.stdout
    assert "0.25 claimed" in wrong.stdout


def test_checks_are_told_as_json_where_that_is_asked_for(
    answers: dict[str, Answered], tmp_path: Path
) -> None:
    found = answers["multi-class"]
    done = run(written(tmp_path, "a.json", found.reply), found.folder, "--json")
    (told,) = json.loads(done.stdout)
    assert told["holds"] is True
    assert told["id"] == found.reply["id"]
    names = {c["check"] for section in told["sections"] for c in section["checks"]}
    assert {"model_sha256", "grid", "cost", "target", "row", "prediction"} <= names


def test_a_record_an_event_and_lines_of_records_are_read_as_they_are_exported(
    answers: dict[str, Answered], tmp_path: Path
) -> None:
    """`ifonly audit export` writes a line a record with its payload as text; GET
    /audit/events/ID gives question and answer; a predictions' record is passed over."""
    kept = [
        {"answer": answers[k].reply, "request": answers[k].request}
        for k in ("regression", "by policy")
    ]
    predictions: Any = {"answer": {"predictions": []}, "request": {}}
    lines: list[Any] = [{"facts": {}, "payload": json.dumps(k)} for k in [*kept, predictions]]
    lines.append({"facts": {}, "payload": None})
    exported = "\n".join([*map(json.dumps, lines), ""])
    folder = answers["regression"].folder
    done = run(written(tmp_path, "export.jsonl", exported), folder)
    assert done.exit_code == 0, (done.output, done.exception)
    assert done.stdout.count("all hold") == 2
    event = run(written(tmp_path, "event.json", {"facts": {}, **kept[0]}), folder)
    assert event.exit_code == 0, (event.output, event.exception)
    piped = run(Path("-"), folder, text=exported)
    assert piped.exit_code == 0
    kept[1]["answer"] = with_value(kept[1]["answer"], ("relaxation", "counterfactual", "cost"), 9.0)
    spoiled = "\n".join(json.dumps({"payload": json.dumps(k)}) for k in kept)
    assert run(written(tmp_path, "spoiled.jsonl", spoiled), folder).exit_code == 1


# --- what cannot ---------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "text",
    [
        "", " \n", "null", "3", '"answer"', "[]", "{}", "{", "NaN", "[1, 2]", '{"payload": "3"}',
        '{"payload": "{"}', '{"answer": 3}', '{"answer": {"counterfactuals": 3}, "request": {}}',
        '{"counterfactuals": []}', '{"counterfactuals": [], "provenance": []}',
        '{"answer": null, "request": null}', "[" * 100_000, '{"a":' * 100_000, "1" * 5_000,
        '{"counterfactuals": [], "provenance": {}, "semantics": "magic"}',
    ],
)  # fmt: skip
def test_what_is_no_answer_is_refused_in_one_sentence(
    answers: dict[str, Answered], tmp_path: Path, text: str
) -> None:
    refused(run(written(tmp_path, "a.json", text), answers["regression"].folder))


def test_files_that_cannot_be_read_are_refused(
    answers: dict[str, Answered], tmp_path: Path
) -> None:
    folder = answers["regression"].folder
    binary = tmp_path / "binary"
    binary.write_bytes(bytes(range(256)) * 10)
    refused(run(binary, folder))
    refused(run(tmp_path / "absent.json", folder))
    refused(run(tmp_path, folder))
    whole = json.dumps(answers["regression"].reply)
    refused(run(written(tmp_path, "cut.json", whole[: len(whole) // 2]), folder))
    right = written(tmp_path, "a.json", whole)
    refused(run(right, tmp_path / "absent"))
    refused(run(right, tmp_path))
    refused(run(right, folder, "--question", str(binary)))
    refused(run(right, folder, "--question", str(written(tmp_path, "q.json", "[]"))))


def test_another_models_answer_is_not_taken_for_one_of_this_model(
    answers: dict[str, Answered], tmp_path: Path
) -> None:
    found = answers["regression"]
    told = refused(run(written(tmp_path, "a.json", found.reply), answers["multi-class"].folder))
    assert "pressure" in told or "score" in told
    other = json.loads(json.dumps(found.reply))
    other["provenance"]["model_sha256"] = "0" * 64
    done = run(written(tmp_path, "b.json", other), found.folder)
    assert done.exit_code == 1
    assert "the folder has" in done.stdout


WRONG: tuple[Any, ...] = (
    None, True, 3, -1, 0.5, float("nan"), float("inf"), 1e308, 10**400, "x", "", [], {}, [[]],
    {"feature": "x"},
)  # fmt: skip


def parts(document: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    """Paths of everything in a document, the branches too."""
    inside = document.items() if isinstance(document, dict) else (
        enumerate(document) if isinstance(document, list) else ()
    )  # fmt: skip
    found = [path] if path else []
    for key, value in inside:
        found += parts(value, (*path, key))
    return found


def without(document: dict[str, Any], path: tuple[Any, ...]) -> dict[str, Any]:
    changed = copy.deepcopy(document)
    part: Any = changed
    for key in path[:-1]:
        part = part[key]
    del part[path[-1]]
    return changed


@pytest.mark.parametrize("kind", ["regression", "multi-class", "by policy"])
def test_whatever_stands_wherever_in_a_reply_or_a_request_is_checked_or_refused(
    answers: dict[str, Answered], kind: str
) -> None:
    """Never another error: what ``verify`` does not catch would be a traceback."""
    found = answers[kind]
    deployed = served(found.folder).deployed
    told = 0
    documents = [(found.reply, True), (found.request, False)]
    for document, is_reply in documents:
        for path in parts(document):
            if any(key in ("text", "label", "assumptions", "why") for key in path):
                continue
            changes = [with_value(document, path, wrong) for wrong in WRONG]
            for changed in [*changes, without(document, path)]:
                reply = changed if is_reply else found.reply
                request = found.request if is_reply else changed
                try:
                    sections = _checked(deployed, reply, request)
                except (ValueError, ModelError):
                    continue
                else:
                    told += sum(len(s.checks) for s in sections)
    assert told > 1_000


def test_rules_of_a_request_that_cannot_be_read_are_refused(
    answers: dict[str, Answered], tmp_path: Path
) -> None:
    found = answers["regression"]
    reply = written(tmp_path, "a.json", found.reply)
    wrong: list[Any] = [
        {"rules": ["pressure <"]}, {"rules": ["mass > 3"]}, {"rules": ["pressure" * 200]},
        {"rules": [3]}, {"rules": ['pressure in ["a"]']}, {"rules": ["pressure / 0 < 3"]},
        {"freeze": ["mass"]}, {"ranges": {"pressure": 3}}, {"directions": {"pressure": "aside"}},
        {"max_change": {"pressure": "much"}}, {"only_to": {"pressure": [None]}}, 3,
    ]  # fmt: skip
    for constraints in wrong:
        question = written(tmp_path, "q.json", {**found.request, "constraints": constraints})
        refused(run(reply, found.folder, "--question", str(question)))


def test_every_leaf_of_a_reply_is_reached_by_the_walk(answers: dict[str, Answered]) -> None:
    assert len(list(leaves(answers["multi-class"].reply))) > 40


# --- alone ---------------------------------------------------------------------------------------

BARRED = (
    "ifonly.explainers.search", "ifonly.explainers.constraints", "ifonly.explainers.cost",
    "ifonly.explainers.target",
    "ifonly.explainers.consequences", "ifonly.explainers.causal", "ifonly.explainers.problem",
    "ifonly.explainers.policy",
    "ifonly.explainers.explain", "ifonly.service.store", "ifonly.service.ask",
    "ifonly.service.audit", "ifonly.service.doors.http", "ifonly.service.served.registry",
    "sqlalchemy", "fastapi", "ifonly.explainers.native", "highspy",
)  # fmt: skip
FRESH = """
import json, sys
from ifonly.service.doors.cli import main
sys.argv = ["ifonly", "verify", *sys.argv[1:]]
try:
    main()
except SystemExit as end:
    assert not end.code, end.code
print(json.dumps(sorted(sys.modules)))
"""


def test_a_fresh_process_that_verifies_has_imported_no_engine_no_store_and_no_server(
    answers: dict[str, Answered], tmp_path: Path
) -> None:
    found = answers["interventional"]
    file = written(tmp_path, "a.json", {"answer": found.reply, "request": found.request})
    done = subprocess.run(
        [sys.executable, "-c", FRESH, str(file), "--model", str(MILLING)],
        capture_output=True, text=True, check=False, cwd=ROOT,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    *table, modules = done.stdout.splitlines()
    assert "all hold" in "\n".join(table)
    loaded = json.loads(modules)
    assert "ifonly.explainers.verify.checker" in loaded
    assert [
        m for m in loaded for barred in BARRED if m == barred or m.startswith(f"{barred}.")
    ] == []
