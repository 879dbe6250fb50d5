"""``python -m service`` is ``ifonly``."""

from __future__ import annotations

from service.doors.cli import main

if __name__ == "__main__":
    main()
