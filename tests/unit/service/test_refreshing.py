"""The folder of models is looked at again and again, whatever the last look met."""

from __future__ import annotations

import asyncio
import logging
from pathlib import Path

import pytest

from ifonly.service.doors.background import refreshing
from ifonly.service.errors import ModelsNotFound
from ifonly.service.served.registry import Registry


class FailsOnce(Registry):
    """A registry whose first look fails in a way that nobody thought of."""

    def __init__(self) -> None:
        super().__init__(Path("unused"))
        self.looks = 0

    def refresh(self) -> None:
        self.looks += 1
        if self.looks == 1:
            raise ZeroDivisionError("of all things")


def test_a_look_that_fails_is_logged_and_the_next_one_comes(
    caplog: pytest.LogCaptureFixture,
) -> None:
    registry = FailsOnce()

    async def main() -> None:
        async with refreshing(registry, 0.001):
            while registry.looks < 3:
                await asyncio.sleep(0.001)

    with caplog.at_level(logging.ERROR, "ifonly"):
        asyncio.run(main())
    assert "ZeroDivisionError" in caplog.text
    assert "of all things" not in caplog.text


def test_a_folder_that_goes_away_leaves_what_was_loaded(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    registry = Registry(tmp_path / "gone")
    with caplog.at_level(logging.WARNING, "ifonly"):
        registry.refresh()
    assert "what was loaded stays served" in caplog.text


def test_nothing_to_serve_is_an_error_that_names_the_folder(tmp_path: Path) -> None:
    with pytest.raises(ModelsNotFound, match="gone"):
        Registry(tmp_path / "gone").load()
    with pytest.raises(ModelsNotFound, match="no model that can be served"):
        Registry(tmp_path).load()
