"""The child of ``AnsweringProcess``: answers slices until its input ends.

``python -m ifonly.service.bulk_runs.worker``; the first frame of standard input is what is done
with each slice, pickled by its parent, each later one a slice; frames of standard output are parts.
"""

from __future__ import annotations

import os
import pickle
import sys
import threading
import time

import numpy as np
import pyarrow as pa

from ifonly.models.errors import ModelError
from ifonly.models.frames import read_frame, write_frame
from ifonly.service.bulk_runs.answering import Answering
from ifonly.service.bulk_runs.exchange import answered
from ifonly.service.errors import ServiceError

PARENT_SECONDS = 1.0


def main() -> None:
    try:
        _serve()
    except BrokenPipeError:
        # Whoever asked is gone, and nobody reads what would be said of it.
        os._exit(0)


def _serve() -> None:
    replies = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)  # what libraries print must not come between the replies
    threading.Thread(target=_end_with, args=(os.getppid(),), daemon=True).start()
    # A process a core: threads of a library would only be in each other's way.
    pa.set_cpu_count(1)
    try:
        _, (data,) = read_frame(sys.stdin.buffer)
        answering: Answering = pickle.loads(data.tobytes())
    except EOFError:
        return
    except (ModelError, ServiceError) as error:
        write_frame(replies, {"problem": str(error)})
        return
    write_frame(replies, {})
    while True:
        try:
            header, (data,) = read_frame(sys.stdin.buffer)
        except EOFError:
            return
        said, part = answered(answering, header, data.tobytes())
        write_frame(replies, said, np.frombuffer(part, np.uint8))


def _end_with(parent: int) -> None:
    """A search does not see that nobody waits for it any more."""
    # When the parent dies, another process becomes the parent.
    while os.getppid() == parent:
        time.sleep(PARENT_SECONDS)
    os._exit(0)


if __name__ == "__main__":
    main()
