"""The two clients are one code: the asynchronous one without its `await`s is the other, method by
method, but for those that wait for several things at once."""

from __future__ import annotations

import ast
import inspect
import re

import pytest

from ifonly.client import aio, sync

CLASSES = {"Client": (aio.AsyncClient, sync.Client), "Job": (aio.AsyncJob, sync.Job)}
OWN_WAY = {
    "Client": {"_at_once", "_by_jobs", "_send", "events", "explain_many", "submit"},
    "Job": set[str](),
}
"""Methods that run threads in one and tasks in the other, or hand on what another yields: each has
code of its own, and both pass one suite (``test_clients.py``)."""
NAMES = {
    r"\bAsync(Client|Job|Iterator|Generator|BaseTransport)\b": r"\1",
    r"\bGenerator\[": "Iterator[",
    r"__a(enter|exit)__": r"__\1__",
    r"\ba(close|read|iter_bytes)\(": r"\1(",
    r"asyncio\.CancelledError": "KeyboardInterrupt",
    r"asyncio\.sleep": "time.sleep",
}
"""What is called otherwise: by asynchronous code, by code that waits."""


class WithoutWaiting(ast.NodeTransformer):
    """Asynchronous code as the same code that waits; without docstrings."""

    def visit(self, node: ast.AST) -> ast.AST:
        node = self.generic_visit(node)
        if isinstance(node, ast.Await):
            return node.value
        plain: type[ast.AST] = getattr(ast, type(node).__name__.removeprefix("Async"))
        return node if isinstance(node, plain) else plain(**dict(ast.iter_fields(node)))


def code_of(client: type) -> dict[str, str]:
    """The source of each method, as the client that waits would have it."""
    (made,) = ast.parse(inspect.getsource(client)).body
    assert isinstance(made, ast.ClassDef)
    found = {}
    for node in map(WithoutWaiting().visit, made.body):
        if isinstance(node, ast.FunctionDef):
            if ast.get_docstring(node) is not None:
                node.body = node.body[1:] or [ast.Pass()]
            text = ast.unparse(ast.fix_missing_locations(node))
            for theirs, ours in NAMES.items():
                text = re.sub(theirs, ours, text)
            found[text.partition("def ")[2].partition("(")[0]] = text
    return found


@pytest.mark.parametrize("name", CLASSES)
def test_a_method_is_the_other_without_its_awaits(name: str) -> None:
    theirs, ours = map(code_of, CLASSES[name])
    assert theirs.keys() == ours.keys()
    assert {method for method in ours if ours[method] != theirs[method]} == OWN_WAY[name]
