"""Why a model is refused, in Korean."""

from __future__ import annotations

import io
import re
import zipfile
from pathlib import Path

import pytest

from ifonly.models.errors import SpecError
from ifonly.models.repository.parcel import unpack
from ifonly.service.words.catalogue import texts
from ifonly.service.words.reasons import CHECKS, SECTION, fixed_parts, reason, told
from tests.integration.small_models import PRESS
from tests.support.english import is_english

ROOT = Path(__file__).parents[3]
WRONG_SPECS = [
    PRESS.replace('name = "press"', "name = 7"),
    PRESS.replace('name = "press"', 'name = "../press"'),
    PRESS.replace('name = "press"', ""),
    PRESS.replace('name = "press"', 'name = "press"\nnmae = 1\nzzz = 2'),
    PRESS + "\n= 1\n",
    PRESS + "\nx = " + 100 * "[" + 100 * "]",
    PRESS + "\n" + ".".join(100 * "x") + " = 1",
    "",
]


def refused(tmp_path: Path, files: dict[str, str]) -> list[str]:
    """What is wrong with a zip of ``files``."""
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as archive:
        for name, text in files.items():
            archive.writestr(name, text)
    with pytest.raises(SpecError) as caught:
        unpack(packed, tmp_path, 1 << 20)
    return [problem.problem for problem in caught.value.problems]


@pytest.mark.parametrize("spec", WRONG_SPECS)
def test_what_is_wrong_with_a_spec_is_said_in_korean(tmp_path: Path, spec: str) -> None:
    for problem in refused(tmp_path, {"spec.toml": spec}):
        said, tag = reason(problem, "ko")
        assert tag == "ko", problem
        assert re.search("[가-힣]", said)
        assert reason(problem, "en") == (problem, "en")


@pytest.mark.parametrize(
    "files", [{}, {"../spec.toml": PRESS}, {"a/spec.toml": PRESS, "b/model.onnx": ""}]
)
def test_what_is_wrong_with_a_zip_is_said_in_korean(tmp_path: Path, files: dict[str, str]) -> None:
    assert {reason(problem, "ko")[1] for problem in refused(tmp_path, files)} == {"ko"}


@pytest.mark.parametrize(
    "note",
    [
        "share within the central 95 % of the noise; causes explain 80.1%",
        "distance correlation of noise and causes, at most 0.12 at 95 %; p 0.358",
        "nothing against it; shuffled graphs as good: p 0.048",
        "3 of 4 independences shown within 0.1",
        "missing a - b (0.30); idle a -> b (0.01); reversed? b -> c; a -> c not seen",
        "noise depends on causes by 0.20; the other way by 0.05",
        "it does next to nothing: at most 0.02 at 95 %",
        "they depend on one another given the causes of b; p 0.001",
    ],
)
def test_what_a_test_of_a_causal_model_found_is_said_in_korean(note: str) -> None:
    for part in note.split("; "):
        assert reason(part, "ko")[1] == "ko", part
    numbers = re.findall(r"\d+\.\d+", note)
    assert all(n in "; ".join(reason(p, "ko")[0] for p in note.split("; ")) for n in numbers)


def test_what_the_checker_says_is_said_in_korean_and_its_numbers_are_kept() -> None:
    """And a sentence of nobody's, of the same loose shape, is not taken for one of its own."""
    assert reason("counterfactual 2", "ko", CHECKS) == ("방법 2", "ko")
    assert reason("1.5 claimed, 1.25 recomputed", "ko", CHECKS) == (
        "주장 1.5, 다시 계산 1.25",
        "ko",
    )
    assert reason("lib: 3 in [1, 2]", "ko") == ("lib: 3 in [1, 2]", "en")


def test_values_are_kept_word_for_word() -> None:
    said, _ = reason("is '{x} <b>', not one of 'a', 'b'", "ko")
    assert "'{x} <b>'" in said
    assert "'a', 'b'" in said


def test_what_is_not_ours_stays_english() -> None:
    assert reason("Segmentation fault", "ko") == ("Segmentation fault", "en")


def test_every_reason_is_a_sentence_that_the_code_says() -> None:
    files = [p for top in ("models", "explainers", "service") for p in (ROOT / top).rglob("*.py")]
    code = re.sub(r'"\s*\n\s*f?"', "", "".join(path.read_text("utf-8") for path in files))
    for key, said in texts("en").items():
        if key.startswith((SECTION, CHECKS)):
            for part in fixed_parts(said):
                # Put together of a place and what is wrong there.
                for piece in re.split("(?<=: )|(?<=; )", part):
                    assert piece.strip(" :;") in code, f"{key}: {piece!r}"


@pytest.mark.parametrize(
    "found",
    [
        "torque: whole numbers 0 to 10, steps of 1, may be missing",
        "oil temp: numbers 1 to 2.5, steps of 0.1, chosen: data has no grid",
        "score: output 'p'; label: none",
        "its score is a value, 1 to 2 in the sample; no limit decides",
        "grade: categories a, b",
    ],
)
def test_what_was_found_in_a_sample_is_said_in_korean(found: str) -> None:
    said, tag = told(found, "ko")
    assert tag == "ko", said
    assert not is_english(said)
    assert set(re.findall(r"\d+\.?\d*", found)) <= set(re.findall(r"\d+\.?\d*", said))
