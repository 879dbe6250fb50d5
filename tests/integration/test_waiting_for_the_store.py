"""A process that starts while the store is away."""

from __future__ import annotations

import asyncio
import logging
from pathlib import Path

import pytest

from ifonly.service.doors.app import create_app
from ifonly.service.errors import StoreUnavailable
from ifonly.service.settings import Settings


def settings(press: Path, folder: Path) -> Settings:
    url = f"sqlite:///{folder / 'store.sqlite3'}"
    return Settings.model_validate({"models": press, "database_url": url, "no_auth": True})


def test_one_that_takes_another_s_place_waits_until_the_store_is_back(
    press: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    folder = tmp_path / "away"
    folder.write_text("a file where the folder will be")
    app = create_app(settings(press, folder), waits_for_store=True)

    async def main() -> None:
        lifespan = app.router.lifespan_context(app)
        begun = asyncio.create_task(lifespan.__aenter__())
        while "the store is away" not in caplog.text:
            assert not begun.done()
            await asyncio.sleep(0.01)
        folder.unlink()
        folder.mkdir()
        await begun
        assert app.state.ifonly.store.journal.is_well
        await lifespan.__aexit__(None, None, None)

    with caplog.at_level(logging.WARNING, "ifonly"):
        asyncio.run(main())


def test_the_first_one_says_so_and_ends(press: Path, tmp_path: Path) -> None:
    folder = tmp_path / "away"
    folder.write_text("a file where the folder should be")
    app = create_app(settings(press, folder))

    async def main() -> None:
        async with app.router.lifespan_context(app):
            pytest.fail("it has no store")

    with pytest.raises(StoreUnavailable):
        asyncio.run(main())
