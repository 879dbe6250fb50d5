"""Pages of ``docs/how-to/``: their Python and their commands, as they stand, from top to bottom."""

from __future__ import annotations

import re
import shlex
import shutil
from pathlib import Path

import pytest
from typer.testing import CliRunner

from ifonly.service.doors.cli.commands import app
from ifonly.service.settings import shipped_models
from tests.integration.shop import Shop, added

PAGES = Path(__file__).resolve().parents[2] / "docs/how-to"
BLOCK = re.compile(r"^```(python|sh)\n(.*?)^```", re.MULTILINE | re.DOTALL)
NEEDS = {
    "scikit-learn": ["sklearn"], "autoencoder": ["sklearn"],
    "isolation-forest": ["sklearn", "skl2onnx"], "xgboost": ["xgboost"], "lightgbm": ["lightgbm"],
    "catboost": ["catboost"], "pytorch": ["torch", "onnxscript"],
    "keras": ["torch", "onnxscript", "keras"],
}  # fmt: skip
FIXTURES = Path(__file__).resolve().parents[1] / "fixtures"
READS = {
    "autoencoder": FIXTURES / "gas_turbine/gt_2015.csv",
    "isolation-forest": PAGES / "gas-turbine-2015.csv",
}
"""Public data that a page has its reader fetch: some rows of them."""


def test_there_is_a_page_of_each() -> None:
    more = {"add-a-model", "airflow", "does-advice-work", "fairness", "notices",
            "one-change-for-many", "spark", "windows"}  # fmt: skip
    assert {page.stem for page in PAGES.glob("*.md")} == {*NEEDS, *more}


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("page", NEEDS)
def test_a_page_runs_as_it_stands(
    page: str, shop: Shop, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("KERAS_BACKEND", "torch")
    for library in NEEDS[page]:
        pytest.importorskip(library, reason=f"needs {library}")
    monkeypatch.chdir(shop.path)
    if page in READS:
        shutil.copy(READS[page], shop.path)
    text = (PAGES / f"{page}.md").read_text(encoding="utf-8")
    blocks = BLOCK.findall(text)
    assert {kind for kind, _ in blocks} == {"python", "sh"}
    names: dict[str, object] = {}
    for kind, block in blocks:
        if kind == "python":
            exec(compile(block, page, "exec"), names)  # our own page, not input
            continue
        capfd.readouterr()  # what exporters say
        (command,) = block.splitlines()
        program, *arguments = shlex.split(command)
        assert program == "ifonly"
        told = added(shop.command(*arguments, "--lang", "en"))
        assert "translated whole" in told
        assert "This is proven to be the smallest such change" in " ".join(told.split())
    # A sentence that the page quotes of its own answer is the one that comes.
    if page == "isolation-forest":
        assert re.findall(r"^> (.*)$", text, re.MULTILINE) == [str(names["answer"])]


@pytest.mark.filterwarnings("ignore")
def test_the_page_about_windows_runs_as_it_stands(
    shop: Shop, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    pytest.importorskip("sklearn", reason="needs sklearn")
    monkeypatch.chdir(shop.path)
    shutil.copy(PAGES / "data/gas_turbine.csv", shop.path)
    page, said = (PAGES / "windows.md").read_text(encoding="utf-8"), ""
    names: dict[str, object] = {}
    for kind, block in BLOCK.findall(page):
        if kind == "python":
            exec(compile(block, "windows", "exec"), names)  # our own page, not input
            said += capfd.readouterr().out
            continue
        (command,) = block.splitlines()
        program, *arguments = shlex.split(command)
        assert program == "ifonly"
        assert "windows of 6" in added(shop.command(*arguments, "--lang", "en"))
    told = re.findall(r"^```text\n(.*?)^```", page, re.MULTILINE | re.DOTALL)
    # Training may end a little elsewhere on another machine.
    numbers = re.compile(r"[0-9][0-9.]*")
    assert numbers.sub("0", said).split() == numbers.sub("0", "".join(told)).split()


@pytest.mark.long
@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")
def test_the_page_about_fairness_runs_as_it_stands(
    shop: Shop, monkeypatch: pytest.MonkeyPatch
) -> None:
    for library in ("sklearn", "skl2onnx"):
        pytest.importorskip(library, reason=f"needs {library}")
    monkeypatch.chdir(shop.path)
    shutil.copy(PAGES / "data/german_credit.csv", shop.path)
    page, said = (PAGES / "fairness.md").read_text(encoding="utf-8"), list[str]()
    names: dict[str, object] = {}
    for kind, block in BLOCK.findall(page):
        if kind == "python":
            exec(compile(block, "fairness", "exec"), names)  # our own page, not input
            continue
        for command in block.splitlines():
            program, *arguments = shlex.split(command)
            assert program == "ifonly"
            found = shop.command(*arguments)
            assert found.code == 0, found.err
            said.append(found.out)
    groups, twins = (" ".join(out.split()) for out in (said[1], said[-1]))
    told = re.findall(r"^```text\n(.*?)^```", page, re.MULTILINE | re.DOTALL)
    assert told[0].strip() in groups
    assert told[1].splitlines()[0] in twins
    assert "parts on which twins by gender rest had failed" in twins
    assert (shop.path / "fairness.html").exists()


@pytest.mark.long
def test_the_page_about_advice_runs_as_it_stands(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("sklearn", reason="needs sklearn")
    monkeypatch.chdir(tmp_path)
    shutil.copytree(shipped_models(), tmp_path / "models")
    page = (PAGES / "does-advice-work.md").read_text(encoding="utf-8")
    blocks = BLOCK.findall(page)
    said, names = [], dict[str, object]()
    # Files before the commands that read them, as a reader would have them.
    for kind, block in sorted(blocks, key=lambda each: each[0]):
        if kind == "python":
            exec(compile(block, "does-advice-work", "exec"), names)  # our own page, not input
            continue
        (command,) = block.splitlines()
        program, *arguments = shlex.split(command)
        assert program == "ifonly"
        done = CliRunner().invoke(app, [*arguments, "--lang", "en"])
        assert done.exit_code == 0, done.exception
        said.append(done.output)
    effect, value, panel = said
    (quoted,) = re.findall(r"^> (.*)$", page, re.MULTILINE)
    assert quoted in effect
    for words in ("worth rows of equal weight", "100..160 min", "held-out rows"):
        assert words in effect
    assert "yes when tool_wear >= 160" in value
    assert "scrap differed by -1." in panel
