"""Faults, made by machine: one small change of one expression, put into the running process.

A mutant is named by a module, a function of it and the place of a change in its syntax tree. It
is planted by giving the live function the code of the changed one, so that everybody who holds
that function runs the fault: no file changes, and a forked process forgets it.
"""

from __future__ import annotations

import ast
import copy
import functools
import importlib
import inspect
from collections.abc import Callable, Iterator
from types import CodeType, FunctionType
from typing import Any

from bench.mutants import native
from bench.mutants.mutant import Mutant

FLIPPED: dict[type[ast.cmpop], tuple[type[ast.cmpop], ...]] = {
    ast.Lt: (ast.LtE, ast.GtE),
    ast.LtE: (ast.Lt, ast.Gt),
    ast.Gt: (ast.GtE, ast.LtE),
    ast.GtE: (ast.Gt, ast.Lt),
    ast.Eq: (ast.NotEq,),
    ast.NotEq: (ast.Eq,),
    ast.In: (ast.NotIn,),
    ast.NotIn: (ast.In,),
    ast.Is: (ast.IsNot,),
    ast.IsNot: (ast.Is,),
}
SWAPPED: dict[type[ast.operator], type[ast.operator]] = {
    ast.Add: ast.Sub,
    ast.Sub: ast.Add,
    ast.Mult: ast.Div,
    ast.Div: ast.Mult,
    ast.FloorDiv: ast.Mult,
    ast.Pow: ast.Mult,
    ast.BitAnd: ast.BitOr,
    ast.BitOr: ast.BitAnd,
    ast.BitXor: ast.BitOr,
    ast.LShift: ast.RShift,
    ast.RShift: ast.LShift,
}
RENAMED = {
    "min": "max",
    "max": "min",
    "minimum": "maximum",
    "maximum": "minimum",
    "any": "all",
    "all": "any",
    "floor": "ceil",
    "ceil": "floor",
    "argmin": "argmax",
    "argmax": "argmin",
    "rfind": "find",
    "lower": "upper",
    "upper": "lower",
    "low": "high",
    "high": "low",
}


def mutants_of(module: str) -> list[Mutant]:
    """Every fault that can be made in the functions of ``module``."""
    if native.is_part(module):
        return native.mutants_of(module)
    found = []
    for name, function in _functions(_tree(module)):
        if live(module, name) is None:
            continue
        for place, node in enumerate(_changeable(function)):
            for variant, (says, _) in enumerate(_changes(node)):
                found.append(Mutant(module, name, place, variant, _line(node), says))
    return found


def is_ready(mutant: Mutant) -> bool:
    """Whether the fault can be planted; before a process is forked for it, since what must be
    compiled takes longer than a fork may."""
    return not native.is_part(mutant.module) or native.built(mutant) is not None


def plant(mutant: Mutant) -> None:
    """Put the fault into this process."""
    if native.is_part(mutant.module):
        native.plant(mutant)
        return
    function = live(mutant.module, mutant.function)
    assert function is not None
    function.__code__ = _code_of(mutant, function.__code__)


def live(module: str, name: str) -> FunctionType | None:
    """The function of that qualified name as Python calls it; None if there is none of its own."""
    found: Any = importlib.import_module(module)
    for part in name.split("."):
        found = inspect.getattr_static(found, part, None)
    return _unwrapped(found)


def _unwrapped(found: Any) -> FunctionType | None:
    """What decorators stand around."""
    while found is not None and not isinstance(found, FunctionType):
        if isinstance(found, property):
            found = found.fget
        elif isinstance(found, functools.cached_property):
            found = found.func
        elif isinstance(found, (classmethod, staticmethod)):
            found = found.__func__
        else:
            found = getattr(found, "__wrapped__", None)
    while found is not None and hasattr(found, "__wrapped__"):
        found = found.__wrapped__
    return found if isinstance(found, FunctionType) else None


@functools.cache
def _source(module: str) -> tuple[str, str]:
    loaded = importlib.import_module(module)
    assert loaded.__file__ is not None
    return inspect.getsource(loaded), loaded.__file__


def _tree(module: str) -> ast.Module:
    return ast.parse(_source(module)[0])


def _functions(tree: ast.Module) -> Iterator[tuple[str, ast.FunctionDef]]:
    """Functions of the module and methods of its classes; what is inside them belongs to them."""
    for node in tree.body:
        if isinstance(node, ast.FunctionDef):
            yield node.name, node
        elif isinstance(node, ast.ClassDef):
            for part in node.body:
                if isinstance(part, ast.FunctionDef) and part.name != "__repr__":
                    yield f"{node.name}.{part.name}", part


def _changeable(function: ast.FunctionDef) -> Iterator[ast.AST]:
    """Nodes of the body: not what only a person reads, nor types."""
    waiting: list[ast.AST] = list(reversed(function.body))
    while waiting:
        node = waiting.pop()
        yield node
        waiting.extend(reversed(list(_parts(node))))


def _parts(node: ast.AST) -> Iterator[ast.AST]:
    for name, value in ast.iter_fields(node):
        if name in ("annotation", "returns", "decorator_list", "args") and not isinstance(
            node, ast.Call
        ):
            continue  # types, and defaults, which no code object holds
        for part in value if isinstance(value, list) else [value]:
            if isinstance(part, ast.AST) and not isinstance(part, (ast.Raise, ast.JoinedStr)):
                yield part


def _line(node: ast.AST) -> int:
    return int(getattr(node, "lineno", 0))


Change = tuple[str, Callable[[ast.AST], ast.AST | None]]
"""What it says, and what makes the new node of the old one; None drops a statement."""


def _changes(node: ast.AST) -> list[Change]:
    """Every change of one node."""
    kind = type(node)
    return list(_BY_KIND[kind](node)) if kind in _BY_KIND else []


def _said(node: ast.AST) -> str:
    text = " ".join(ast.unparse(node).split())
    return text if len(text) <= 60 else text[:57] + "..."


def _told(old: ast.AST, new: ast.AST) -> Change:
    return f"`{_said(old)}` → `{_said(new)}`", lambda _: new


def _edited(node: Any, **fields: Any) -> Change:
    new = copy.deepcopy(node)
    for name, value in fields.items():
        setattr(new, name, value)
    return _told(node, new)


def _compares(node: ast.Compare) -> Iterator[Change]:
    for k, op in enumerate(node.ops):
        for flipped in FLIPPED[type(op)]:
            yield _edited(node, ops=[*node.ops[:k], flipped(), *node.ops[k + 1 :]])


def _operates(node: ast.BinOp | ast.AugAssign) -> Iterator[Change]:
    if type(node.op) in SWAPPED and not _is_text(node):
        yield _edited(node, op=SWAPPED[type(node.op)]())
    if isinstance(node, ast.AugAssign):
        yield f"`{_said(node)}` dropped", lambda _: ast.Pass()


def _is_text(node: ast.AST) -> bool:
    return any(isinstance(n, ast.Constant) and isinstance(n.value, str) for n in ast.walk(node))


def _negates(node: ast.UnaryOp) -> Iterator[Change]:
    if not isinstance(node.operand, ast.Constant):
        yield _told(node, node.operand)


def _joins(node: ast.BoolOp) -> Iterator[Change]:
    yield _edited(node, op=ast.Or() if isinstance(node.op, ast.And) else ast.And())
    for k in range(len(node.values)):
        rest = [*node.values[:k], *node.values[k + 1 :]]
        yield _told(node, rest[0] if len(rest) == 1 else ast.BoolOp(node.op, rest))


def _constants(node: ast.Constant) -> Iterator[Change]:
    value = node.value
    if isinstance(value, bool):
        yield _told(node, ast.Constant(not value))
    elif isinstance(value, (int, float)):
        for other in (value + 1, value - 1, 2 * value):
            if other != value:
                yield _told(node, ast.Constant(other))


def _calls(node: ast.Call) -> Iterator[Change]:
    yield from _renames(node)
    if len(node.args) == 2 and all(isinstance(a, ast.Attribute) for a in node.args):
        yield _edited(node, args=node.args[::-1])  # of the same kind, or the call just fails


def _renames(node: ast.Call) -> Iterator[Change]:
    function = node.func
    if isinstance(function, ast.Name) and function.id in RENAMED:
        yield _edited(node, func=ast.Name(RENAMED[function.id], ast.Load()))
    if isinstance(function, ast.Attribute) and function.attr in RENAMED:
        other = ast.Attribute(function.value, RENAMED[function.attr], ast.Load())
        yield _edited(node, func=other)


def _attributes(node: ast.Attribute) -> Iterator[Change]:
    if node.attr == "inf" and isinstance(node.ctx, ast.Load):
        yield _told(node, ast.UnaryOp(ast.USub(), node))
    elif node.attr in ("lower", "upper", "low", "high") and isinstance(node.ctx, ast.Load):
        yield _edited(node, attr=RENAMED[node.attr])


def _tests(node: ast.If | ast.IfExp | ast.While) -> Iterator[Change]:
    for test in (ast.UnaryOp(ast.Not(), node.test), ast.Constant(True), ast.Constant(False)):
        head = f"`if {_said(node.test)}` → `if {_said(test)}`"
        yield head, functools.partial(_with_test, test=test)


def _with_test(node: Any, test: ast.expr) -> Any:
    node.test = test
    return node


def _loops(node: ast.For) -> Iterator[Change]:
    items = ast.Call(ast.Name("list", ast.Load()), [node.iter], [])
    rest = ast.Subscript(items, ast.Slice(ast.Constant(1)), ast.Load())
    yield f"`for … in {_said(node.iter)}` skips the first", functools.partial(_with_items, new=rest)


def _with_items(node: Any, new: ast.expr) -> Any:
    node.iter = new
    return node


def _selects(node: ast.comprehension) -> Iterator[Change]:
    for k, test in enumerate(node.ifs):
        yield f"`if {_said(test)}` dropped", functools.partial(_without_if, k=k)


def _without_if(node: Any, k: int) -> Any:
    del node.ifs[k]
    return node


def _assigns(node: ast.Assign) -> Iterator[Change]:
    if isinstance(node.targets[0], ast.Subscript):
        yield f"`{_said(node)}` dropped", lambda _: ast.Pass()


def _stops(node: ast.AST) -> Iterator[Change]:
    yield _told(node, ast.Continue() if isinstance(node, ast.Break) else ast.Break())


_BY_KIND: dict[type[ast.AST], Callable[[Any], Iterator[Change]]] = {
    ast.Compare: _compares,
    ast.BinOp: _operates,
    ast.AugAssign: _operates,
    ast.UnaryOp: _negates,
    ast.BoolOp: _joins,
    ast.Constant: _constants,
    ast.Call: _calls,
    ast.Attribute: _attributes,
    ast.If: _tests,
    ast.IfExp: _tests,
    ast.While: _tests,
    ast.For: _loops,
    ast.comprehension: _selects,
    ast.Assign: _assigns,
    ast.Break: _stops,
    ast.Continue: _stops,
}


def _code_of(mutant: Mutant, old: CodeType) -> CodeType:
    tree = _tree(mutant.module)
    function = dict(_functions(tree))[mutant.function]
    node = list(_changeable(function))[mutant.place]
    _, change = _changes(node)[mutant.variant]
    _Replacing(node, change(node)).visit(tree)
    code = compile(ast.fix_missing_locations(tree), _source(mutant.module)[1], "exec")
    return next(
        found for found in _codes(code)
        if found.co_qualname == mutant.function and found.co_firstlineno == old.co_firstlineno
    )  # fmt: skip


def _codes(code: CodeType) -> Iterator[CodeType]:
    yield code
    for constant in code.co_consts:
        if isinstance(constant, CodeType):
            yield from _codes(constant)


class _Replacing(ast.NodeTransformer):
    """Puts one node in the place of another."""

    def __init__(self, old: ast.AST, new: ast.AST | None) -> None:
        self._old = old
        self._new = new

    def visit(self, node: ast.AST) -> Any:
        if node is self._old and self._new is not node:
            return self._new
        return self.generic_visit(node)
