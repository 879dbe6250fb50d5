"""Pages of ``docs/how-to/``: their Python and their commands, as they stand, from top to bottom."""

from __future__ import annotations

import re
import shutil
from pathlib import Path

import pytest
from typer.testing import CliRunner

from ifonly.service.doors.cli.commands import app
from ifonly.service.settings import shipped_models
from tests.integration.shop import Shop, added
from tests.support.pages import DOCS, Page

PAGES = DOCS / "how-to"
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
@pytest.mark.parametrize("name", NEEDS)
def test_a_page_runs_as_it_stands(
    name: str, shop: Shop, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("KERAS_BACKEND", "torch")
    for library in NEEDS[name]:
        pytest.importorskip(library, reason=f"needs {library}")
    monkeypatch.chdir(shop.path)
    if name in READS:
        shutil.copy(READS[name], shop.path)
    page = Page(f"how-to/{name}.md")
    assert {kind for kind, _ in page.blocks} >= {"python", "sh"}

    def command(*arguments: str) -> None:
        capfd.readouterr()  # what exporters say
        told = added(shop.command(*arguments, "--lang", "en"))
        assert "translated whole" in told
        assert "This is proven to be the smallest such change" in " ".join(told.split())

    page.run(command)
    # A sentence that the page quotes of its own answer is the one that comes.
    if name == "isolation-forest":
        assert page.quotes == [str(page.names["answer"])]


@pytest.mark.filterwarnings("ignore")
def test_the_page_about_windows_runs_as_it_stands(
    shop: Shop, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    pytest.importorskip("sklearn", reason="needs sklearn")
    monkeypatch.chdir(shop.path)
    shutil.copy(PAGES / "data/gas_turbine.csv", shop.path)
    page, said = Page("how-to/windows.md"), list[str]()

    def command(*arguments: str) -> None:
        said.append(capfd.readouterr().out)
        assert "windows of 6" in added(shop.command(*arguments, "--lang", "en"))
        capfd.readouterr()

    page.run(command)
    said.append(capfd.readouterr().out)
    # Training may end a little elsewhere on another machine.
    numbers = re.compile(r"[0-9][0-9.]*")
    told = "".join(page.of("text"))
    assert numbers.sub("0", "".join(said)).split() == numbers.sub("0", told).split()


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
    page, said = Page("how-to/fairness.md"), list[str]()

    def command(*arguments: str) -> None:
        found = shop.command(*arguments)
        assert found.code == 0, found.err
        said.append(found.out)

    page.run(command)
    groups, twins = (" ".join(out.split()) for out in (said[1], said[-1]))
    told = page.of("text")
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
    page, said = Page("how-to/does-advice-work.md"), list[str]()

    def command(*arguments: str) -> None:
        done = CliRunner().invoke(app, [*arguments, "--lang", "en"])
        assert done.exit_code == 0, done.exception
        said.append(done.output)

    # Files before the commands that read them, as a reader would have them.
    page.run(command, is_python_first=True)
    effect, value, panel = said
    (quoted,) = page.quotes
    assert quoted in effect
    for words in ("worth rows of equal weight", "100..160 min", "held-out rows"):
        assert words in effect
    assert "yes when tool_wear >= 160" in value
    assert "scrap differed by -1." in panel
