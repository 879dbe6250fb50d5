"""What names a fault."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Mutant:
    """One fault."""

    module: str
    function: str
    """Qualified name in the module: ``Comparison._compare``."""
    place: int
    """Of its node in ``ast.walk`` of the function."""
    variant: int
    """Of the changes that this node has."""
    line: int
    says: str

    def __str__(self) -> str:
        return f"{self.module}:{self.line} {self.function}: {self.says}"
