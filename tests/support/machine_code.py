"""Where the tests keep machine code: one process compiles it all before they begin, and is asked
its first questions while it is the fresh installation that nothing else here is any more.

Compiling takes about 30 CPU seconds. Done by each worker for itself it would take them as often.
"""

from __future__ import annotations

import hashlib
import json
import os
import platform
import shutil
import subprocess
import sys
from importlib.metadata import version
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
KEPT = ROOT / ".pytest_cache" / "machine-code"
"""A folder for each state of the sources that machine code is made of; the newest is left."""
VARIABLE = "NUMBA_CACHE_DIR"
ANSWERS = "first-answers.json"


def fill() -> None:
    """Have the machine code compiled, if it is not yet, and used by this process and those that it
    starts. Where that fails, each compiles for itself, and the test of first answers says why."""
    if VARIABLE in os.environ:
        return
    folder = KEPT / _digest(*_files("explainers/search/trees"))
    if not folder.exists():
        print("the search is compiled for the tests, once: about a minute", file=sys.stderr)
        part = KEPT / f"part-{os.getpid()}"
        _clear()
        if first_answers(part, part / ANSWERS).returncode:
            return
        (part / "sources").write_text(sources())
        try:
            part.rename(folder)
        except OSError:  # other tests that run here were quicker
            shutil.rmtree(part)
    os.environ[VARIABLE] = str(folder)


def _clear() -> None:
    """Remove what was made of other sources, or left by who was killed."""
    for old in KEPT.glob("*"):
        _, is_part, process = old.name.partition("part-")
        if not (is_part and _runs(int(process))):
            shutil.rmtree(old, ignore_errors=True)


def _runs(process: int) -> bool:
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    except PermissionError:  # somebody else's
        pass
    return True


def cold(folder: Path) -> Any:
    """What a process answered that began with nothing compiled, made of the sources as they are;
    asked now, in ``folder``, unless one was when the tests began."""
    kept = Path(os.environ.get(VARIABLE, folder))
    marked = kept / "sources"
    if not marked.exists() or marked.read_text() != sources():
        kept = folder
        asked = first_answers(kept, kept / ANSWERS)
        assert asked.returncode == 0, asked.stderr[-4_000:]
    return json.loads((kept / ANSWERS).read_text(encoding="utf-8"))


def first_answers(folder: Path, out: Path) -> subprocess.CompletedProcess[str]:
    """Run :mod:`tests.support.first_answers` with the machine code that is in ``folder``."""
    folder.mkdir(parents=True, exist_ok=True)
    return subprocess.run(
        [sys.executable, "-m", "tests.support.first_answers", str(out)],
        cwd=ROOT,
        env=os.environ | {VARIABLE: str(folder), "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        check=False,
    )


def sources() -> str:
    """Digest of all that an answer is made of."""
    return _digest(*_files("explainers"), *_files("models"), *_files("service"), *_files("tests"))


def _files(below: str) -> list[Path]:
    return [
        file
        for file in sorted((ROOT / below).rglob("*"))
        if file.is_file() and "__pycache__" not in file.parts
    ]


def _digest(*files: Path) -> str:
    made_by = f"{platform.python_version()} {version('numba')} {version('numpy')}"
    digest = hashlib.sha256(made_by.encode())
    for file in files:
        digest.update(str(file.relative_to(ROOT)).encode() + file.read_bytes())
    return digest.hexdigest()[:16]
