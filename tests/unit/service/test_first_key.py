"""The first key is shown by a service that comes to be, and by no other."""

from __future__ import annotations

from pathlib import Path
from unittest.mock import Mock

import pytest

from ifonly.service.doors.cli.console import Failure
from ifonly.service.doors.cli.serve import listen, serve_as
from ifonly.service.settings import Settings


def test_a_service_whose_port_is_taken_makes_no_store_and_shows_no_key(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with listen("127.0.0.1", 0) as other:
        settings = Settings(port=other.getsockname()[1], data=tmp_path)
        with pytest.raises(Failure, match="cannot listen"):
            serve_as(settings, Mock())
    shown = capsys.readouterr()
    assert shown.out + shown.err == ""
    assert list(tmp_path.iterdir()) == []
