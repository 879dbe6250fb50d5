"""``python -m ifonly`` is ``ifonly``."""

from __future__ import annotations

from ifonly.service.doors.cli import main

if __name__ == "__main__":
    main()
