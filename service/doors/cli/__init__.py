"""``ifonly``: the command line.

Exit codes: 0 the question was answered, whatever the answer; 1 it could not be (no model, a
broken folder, a port that is taken, a model that failed); 2 the command or the request is wrong;
3 `causal drift` found something that moved, or some rows of `bulk` could not be answered.
Answers go to stdout, everything else to stderr.
"""

from __future__ import annotations

import sys


def main() -> None:
    """Run one command. ``verify`` and ``audit check`` are run on their own: who checks an answer
    or evidence imports no engine, no store and no server, and tests hold them to that."""
    if sys.argv[1:2] == ["verify"]:
        from ifonly.service.doors.cli import verify

        verify.main()
    elif sys.argv[1:3] == ["audit", "check"]:
        from ifonly.service.doors.cli import audit_check

        audit_check.main()
    else:
        from ifonly.service.doors.cli import commands

        commands.run()
