"""What the compiled search reads is typed: mypy sees a misspelt field in every module of it."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import pytest
from mypy import api

from bench.mutants.modules import KERNEL
from explainers.search import trees

ROOT = Path(trees.__path__[0])
PROJECT = ROOT.parents[2]
COMPILED = sorted(f"{m.rpartition('.')[2]}.py" for m in KERNEL if m.startswith(trees.__name__))
STRUCTS = {
    "t": ("Tables", "CellMap", "LeafRows"),
    "q": ("Question",),
    "a": ("Arena",),
    "f": ("Forest",),
    "x": ("Parts",),
}
"""By the names that they have in the kernel."""


def compiled_functions(source: str) -> list[ast.FunctionDef]:
    """What numba compiles in a module."""
    return [
        node
        for node in ast.walk(ast.parse(source))
        if isinstance(node, ast.FunctionDef)
        and any(ast.unparse(d) in ("inner", "small", "allocating") for d in node.decorator_list)
    ]


@pytest.mark.parametrize("name", COMPILED)
def test_every_parameter_of_the_kernel_has_a_type(name: str) -> None:
    functions = compiled_functions((ROOT / name).read_text())
    assert functions
    for function in functions:
        for each in function.args.args:
            said = ast.unparse(each.annotation) if each.annotation else ""
            assert said not in ("", "Any", "object"), f"{function.name}: {each.arg}"
            assert said in STRUCTS.get(each.arg, (said,)), f"{function.name}: {each.arg}: {said}"


def misspelt(source: str) -> tuple[str, list[str]]:
    """A module with the first field misspelt that is read of each struct in a compiled function,
    and those fields."""
    lines, fields = source.splitlines(), []
    for struct in STRUCTS:
        for function in compiled_functions(source):
            if struct not in [each.arg for each in function.args.args]:
                continue
            body = range(function.body[0].lineno - 1, function.end_lineno or 0)
            found = ((at, re.search(rf"\b{struct}\.(\w+)", lines[at])) for at in body)
            first = next(((at, match) for at, match in found if match), None)
            if first is not None:
                at, match = first
                fields.append(f"{match[1]}_misspelt")
                lines[at] = f"{lines[at][: match.end()]}_misspelt{lines[at][match.end() :]}"
                break
    return "\n".join(lines), fields


@pytest.mark.slow
def test_mypy_sees_a_misspelt_field(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(PROJECT)
    planted: list[tuple[str, str]] = []
    for name in COMPILED:
        text, fields = misspelt((ROOT / name).read_text())
        (tmp_path / f"planted_{name}").write_text(text)
        planted += [(name, field) for field in fields]
    assert len({name for name, _ in planted}) == len(COMPILED)
    files = [str(file) for file in sorted(tmp_path.glob("*.py"))]
    config = ["--config-file", "pyproject.toml", "--cache-dir", str(tmp_path / "cache")]
    told, complaint, _ = api.run([*config, *files])
    assert not complaint
    for name, field in planted:
        wanted = rf'planted_{name}:\d+: error: "\w+" has no attribute "{field}"'
        assert re.search(wanted, told), (name, field, told)
