"""What requests may say of the equipment that a row was read from (``[attributes]``).

Neither the model nor the search sees it: it says whose prediction it is.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

from ifonly.models.document import Document
from ifonly.models.errors import SpecProblem
from ifonly.models.schema import Labels

LONGEST = 128
"""Characters of a value, where a spec says nothing."""


@dataclass(frozen=True, slots=True)
class Attribute:
    """One name, and what may be said under it."""

    name: str
    labels: Labels = field(default_factory=dict)
    identity: bool = False
    """Whether it says which piece of equipment it is."""
    varies: bool = False
    """Whether it may change from one reading of a piece of equipment to the next (a shift)."""
    values: tuple[str, ...] = ()
    """All that may be said; none: any text."""
    longest: int = LONGEST
    """Characters."""

    def problem(self, value: str) -> tuple[str, object] | None:
        """What is wrong with a value, and the limit that it breaks; None: nothing."""
        if self.values and value not in self.values:
            known = ", ".join(repr(name) for name in self.values)
            return f"{self.name} is {value!r}, not one of {known}", list(self.values)
        if len(value) > self.longest:
            problem = f"{self.name} has {len(value)} characters; the most is {self.longest}"
            return problem, self.longest
        # A name with an unseen character, or a blank at its end, would be another equipment.
        if not value.isprintable() or value != value.strip():
            return (
                f"{self.name} is {value!r}: a control character, or a blank at an end",
                "printable characters, no blank at either end",
            )
        return None


SIMULATED = "simulated"
"""Said of what no machine read, but a simulator made up."""
DEFAULT = Attribute("equipment", {"en": "equipment", "ko": "설비", "ja": "設備"}, identity=True)
"""The identity where a spec declares no attributes; others may be said beside it, of any name."""


@dataclass(frozen=True, slots=True)
class Attributes:
    """All that a model's requests may say."""

    declared: tuple[Attribute, ...] = (DEFAULT,)
    only: bool = False
    """Whether other names are refused: where a spec declares any, they are."""

    @property
    def identity(self) -> Attribute | None:
        """The one that says which equipment it is, if one does."""
        return next((each for each in self.declared if each.identity), None)

    def problems(self, said: Mapping[str, str]) -> Iterator[tuple[str, str, object]]:
        """Name, what is wrong with it, and the limit: of each that is."""
        known = {each.name: each for each in self.declared}
        for name, value in said.items():
            if name in known:
                found = known[name].problem(value)
                if found is not None:
                    yield name, *found
            elif self.only:
                listed = ", ".join(known)
                yield name, f"{name} is no attribute of this model; known are {listed}", [*known]

    def equipment(self, said: Mapping[str, str]) -> str | None:
        """Which piece it is; None: not said."""
        return None if self.identity is None else said.get(self.identity.name)

    def place(self, said: Mapping[str, str]) -> dict[str, str]:
        """What tells it from all other equipment, by name: whatever does not vary."""
        varying = {each.name for each in self.declared if each.varies}
        return {name: said[name] for name in sorted(said) if name not in varying}


UNDECLARED = Attributes()
"""Of a spec without ``[attributes]``."""


def read_attributes(tables: Mapping[str, Document]) -> Attributes:
    """Of the checked table ``[attributes]``; empty: the default."""
    if not tables:
        return UNDECLARED
    return Attributes(
        tuple(
            Attribute(
                name,
                dict(table.get("label", {})),
                table.get("identity", False),
                table.get("varies", False),
                tuple(table.get("values", ())),
                table.get("max_length", LONGEST),
            )
            for name, table in tables.items()
        ),
        only=True,
    )


def attribute_contradictions(document: Document) -> Iterator[SpecProblem]:
    """What a JSON Schema cannot say of ``[attributes]``."""
    tables: Mapping[str, Document] = document.get("attributes", {})
    found = [name for name, table in tables.items() if table.get("identity")]
    for name in found[1:]:
        problem = f"is a second identity beside {found[0]!r}; one says which equipment it is"
        yield SpecProblem(f"attributes.{name}.identity", problem)
    for name, table in tables.items():
        if table.get("identity") and table.get("varies"):
            yield SpecProblem(f"attributes.{name}.varies", "is true of what must not: the identity")
        # Against its own limits: a value that nobody could say would be a slip.
        free = Attribute(name, longest=table.get("max_length", LONGEST))
        for k, value in enumerate(table.get("values", ())):
            wrong = free.problem(value)
            if wrong is not None:
                yield SpecProblem(f"attributes.{name}.values[{k}]", wrong[0])
