"""A file that is right, and the same with one thing wrong: it must be refused, and say what."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import pytest

from ifonly.models.errors import SpecError


@dataclass(frozen=True)
class Broken:
    """Breaks ``text``, which ``parse`` reads when it is called ``file``."""

    text: str
    parse: Callable[[bytes, str], object]
    file: str

    def edited(self, old: str, new: str) -> str:
        """The text with the first ``old`` as ``new``."""
        assert old in self.text
        return self.text.replace(old, new, 1)

    def refused(self, text: str | bytes) -> SpecError:
        """Why ``text`` is refused."""
        data = text.encode() if isinstance(text, str) else text
        with pytest.raises(SpecError) as caught:
            self.parse(data, self.file)
        assert caught.value.file == self.file
        return caught.value

    def check(self, old: str, new: str, key: str, problem: str) -> None:
        """``new`` in the place of ``old`` is a ``problem`` of ``key``."""
        problems = self.refused(self.edited(old, new)).problems
        assert any(p.key == key and problem in p.problem for p in problems), problems
