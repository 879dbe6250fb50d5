"""The child of :class:`ifonly.models.onnx.box.Box`: opens graphs and runs them until it is killed.

``python -m ifonly.models.onnx.box_worker BYTES``: as much address space as it may have. It asks for
no file and may write none; it ends with whoever started it.
"""

from __future__ import annotations

import os
import sys
import threading
import time
from typing import IO, Any

import onnxruntime

from ifonly.models.errors import GraphError
from ifonly.models.frames import Array, read_frame, write_frame
from ifonly.models.onnx.sessions import open_here, reason
from ifonly.models.onnx.walls import wall_in

PARENT_SECONDS = 1.0


def main() -> None:
    replies = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)  # what libraries print must not come between the replies
    threading.Thread(target=_end_with, args=(os.getppid(),), daemon=True).start()
    # Before any graph is seen.
    wall_in(int(sys.argv[1]))
    sessions: list[onnxruntime.InferenceSession] = []
    while True:
        try:
            header, arrays = read_frame(sys.stdin.buffer)
        except EOFError:
            return
        _reply(replies, sessions, header, arrays)


def _end_with(parent: int) -> None:
    """A run that does not end does not see that nobody waits for it any more."""
    # When the parent dies, another process becomes the parent.
    while os.getppid() == parent:
        time.sleep(PARENT_SECONDS)
    # A thread stuck within a node would hold up a clean exit for ever.
    os._exit(0)


def _reply(
    pipe: IO[bytes],
    sessions: list[onnxruntime.InferenceSession],
    header: dict[str, Any],
    arrays: list[Array],
) -> None:
    try:
        if header["do"] == "open":
            data = arrays[0].tobytes()
            sessions.append(open_here(data, header["threads"], header["ordered"]))
            write_frame(pipe, {"session": len(sessions) - 1})
            return
        feeds = dict(zip(header["inputs"], arrays, strict=True))
        found = sessions[header["session"]].run(header["outputs"], feeds)
    except GraphError as error:
        write_frame(pipe, _problem(str(error), error))
    except Exception as error:  # ONNX Runtime's errors share no base but this
        problem = f"ONNX Runtime cannot run the graph: {reason(error)}"
        write_frame(pipe, _problem(problem, error))
    else:
        write_frame(pipe, {}, *found)


def _problem(text: str, error: Exception) -> dict[str, Any]:
    is_memory = isinstance(error, MemoryError) or "alloc" in text  # "bad_alloc" and a sentence
    return {"problem": text, "is_memory": is_memory}


if __name__ == "__main__":
    main()
