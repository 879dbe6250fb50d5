"""Faults in the compiled search: one small change of one line of ``explainers/native``.

Each is compiled into an extension of its own, a few seconds; a forked process then puts what that
one does in the place of what everybody calls.
"""

from __future__ import annotations

import importlib.util
import re
import shutil
import subprocess
import sys
import sysconfig
import tempfile
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import hatch_build
from bench.mutants.mutant import Mutant
from ifonly.explainers.native import kernel

PREFIX = "ifonly.explainers.native."
FLAGS = ("-O1", "-DNDEBUG", "-DNB_COMPACT_ASSERTIONS", "-DNB_DOMAIN=mutant", "-w",
         '-DIFONLY_SOURCES="mutant"')  # fmt: skip
"""A domain of its own: types of two extensions must not be taken for one another."""
SWAPPED = (
    (r" < ", (" <= ", " >= ")),
    (r" <= ", (" < ", " > ")),
    (r" > ", (" >= ", " <= ")),
    (r" >= ", (" > ", " < ")),
    (r" == ", (" != ",)),
    (r" != ", (" == ",)),
    (r" && ", (" || ",)),
    (r" \|\| ", (" && ",)),
    (r" \+ ", (" - ",)),
    (r" - ", (" + ",)),
    (r" \* ", (" / ",)),
    (r" / ", (" * ",)),
    (r" & ", (" | ",)),
    (r" \+= ", (" -= ",)),
    (r" \|= ", (" &= ",)),
    (r" &= ", (" |= ",)),
    (r"std::min\b", ("std::max",)),
    (r"std::max\b", ("std::min",)),
    (r"lowest_bit", ("highest_bit",)),
    (r"\btrue\b", ("false",)),
    (r"\bfalse\b", ("true",)),
    (r"\+\+(?=\w)", ("--",)),
    (r"--(?=\w)", ("++",)),
    (r"\bcontinue;", (";",)),
    (r"\bbreak;", (";",)),
    (r"(?<![\w.])0(?![\w.])", ("1", "-1")),
    (r"(?<![\w.])1(?![\w.])", ("0", "2")),
    (r"(?<![\w.])64(?![\w.])", ("63", "65")),
)
"""Text of a line, and what may stand in its place."""
WRITES = re.compile(r"^\s+[\w.\[\]()>-]+(?: [-+|&]?= [^=].*|\.copy\(.*\)|\.fill\(.*\));$")
"""A statement that can be dropped: it declares nothing."""
FUNCTION = re.compile(
    r"^(?:inline |template)?.*?\b(\w+)\($|^(?:inline )?[\w:<>]+ (?:\w+::)?(\w+)\("
)
METHOD = re.compile(r"^    (?! )(?:static )?[\w:<>&*, ]+?\b(\w+)\(.*(?:\{|\()?$")
NO_CODE = re.compile(r"^\s*(//|#|require\(|struct |field\(|static constexpr|namespace|using )")


def is_part(module: str) -> bool:
    return module.startswith(PREFIX)


def mutants_of(module: str) -> list[Mutant]:
    """Every fault that can be made in the functions of one part."""
    found, function, in_class = [], "", False
    for number, line in enumerate(_lines(module), 1):
        if not line.startswith((" ", "/", "}", "#")) and (named := FUNCTION.match(line)):
            function = named[1] or named[2]
        in_class = (in_class or line.startswith("class ")) and line != "};"
        if in_class and (method := METHOD.match(line)):
            function = method[1]
        # What is checked is what malformed arrays try.
        is_code = line.startswith(" ") and not NO_CODE.match(line)
        if function and is_code and not function.startswith("check"):
            for variant, changed in enumerate(_changes(line)):
                says = f"`{line.strip()}` → `{changed.strip() or 'dropped'}`"
                found.append(Mutant(module, function, 0, variant, number, says))
    return found


def _lines(module: str) -> list[str]:
    file = hatch_build.FOLDER / f"{module.removeprefix(PREFIX)}.hpp"
    return file.read_text().splitlines()


def _changes(line: str) -> Iterator[str]:
    """What may stand in the place of a line."""
    code = line.partition("//")[0].rstrip()
    for pattern, others in SWAPPED:
        for place in re.finditer(pattern, code):
            for other in others:
                yield code[: place.start()] + other + code[place.end() :]
    for test in ("true || ", "false && "):
        if (at := code.find("if (")) >= 0:
            yield f"{code[: at + 4]}{test}{code[at + 4 :]}"
    if WRITES.match(code):
        yield ""


@cache
def _folder() -> Path:
    """Of what is compiled, until the process ends."""
    own = tempfile.TemporaryDirectory()
    _KEPT.append(own)
    return Path(own.name)


_KEPT: list[tempfile.TemporaryDirectory[str]] = []


def _compile(source: Path, made: Path, *flags: str) -> bool:
    command = hatch_build.compiler()
    assert command is not None
    import nanobind

    binding = Path(nanobind.include_dir()).parent
    headers = (
        sysconfig.get_path("include"),
        binding / "include",
        binding / "ext/robin_map/include",
    )
    run = [*command, *hatch_build.COMMON, *hatch_build.machine_flags(command), *FLAGS, *flags]
    run += [f"-isystem{folder}" for folder in headers]
    return not subprocess.run(
        [*run, "-c", str(source), "-o", str(made)], stderr=subprocess.DEVNULL, check=False
    ).returncode


@cache
def _binding() -> Path:
    """Nanobind's part, which is compiled once."""
    import nanobind

    made = _folder() / "nanobind.o"
    source = Path(nanobind.include_dir()).parent / "src" / "nb_combined.cpp"
    assert _compile(source, made, "-fno-strict-aliasing")
    return made


@cache
def built(mutant: Mutant) -> Path | None:
    """The extension with the fault; None if it does not compile."""
    folder = _folder() / f"{mutant.module}-{mutant.line}-{mutant.variant}"
    shutil.copytree(
        hatch_build.FOLDER, folder, ignore=shutil.ignore_patterns("*.so", "__pycache__")
    )
    lines = _lines(mutant.module)
    lines[mutant.line - 1] = list(_changes(lines[mutant.line - 1]))[mutant.variant]
    (folder / f"{mutant.module.removeprefix(PREFIX)}.hpp").write_text("\n".join(lines) + "\n")
    found = folder / hatch_build.EXTENSION.name
    if not _compile(folder / "module.cpp", folder / "module.o"):
        return None
    command = hatch_build.compiler()
    assert command is not None
    linked = [str(folder / "module.o"), str(_binding()), "-shared", "-o", str(found)]
    subprocess.run([*command, *hatch_build.machine_flags(command), *linked], check=True)
    return found


def plant(mutant: Mutant) -> None:
    """Put the fault into this process, in which nothing has been handed over yet."""
    place = built(mutant)
    assert place is not None
    spec = importlib.util.spec_from_file_location(kernel.__name__, place)
    assert spec is not None
    assert spec.loader is not None
    changed = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(changed)
    assert sys.modules[kernel.__name__] is kernel
    # Everybody calls by the module's name, so that one place is enough.
    vars(kernel).update({k: v for k, v in vars(changed).items() if not k.startswith("__")})
