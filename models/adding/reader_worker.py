"""The child of :func:`ifonly.models.adding.reader.read_native`: reads one file, and ends.

``python -m ifonly.models.adding.reader_worker BYTES SECONDS``: of memory, and of a processor.
"""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

from ifonly.models.adding.confinement import confine, is_possible, limit
from ifonly.models.adding.native_file import read_here
from ifonly.models.adding.reader import LENGTHS
from ifonly.models.errors import ModelError, ParityError
from ifonly.models.frames import read_frame

MOST_FILE = 64 << 20
"""Of files without a name, which are memory: CatBoost's graph is handed over in one."""


def main() -> None:
    replies = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)  # what libraries print must not come between
    header, (content,) = read_frame(sys.stdin.buffer)
    numbers = int(sys.argv[1]), float(sys.argv[2]), MOST_FILE
    # Before the first byte of the file is looked at.
    (confine if is_possible() else limit)(*numbers)
    said, graph = _read(header, content.tobytes())
    words = json.dumps(said).encode()
    replies.write(LENGTHS.pack(len(words), len(graph)) + words + graph)
    replies.flush()
    # Not by a clean exit: what the file left behind would run then.
    os._exit(0)


def _read(asked: Mapping[str, Any], content: bytes) -> tuple[dict[str, Any], bytes]:
    name = asked["name"]
    try:
        found = read_here(
            asked["kind"], name, content, asked["columns"], label=asked["label"],
            read=asked["read"], texts=asked["texts"], trust=asked["trust"],
        )  # fmt: skip
    except MemoryError:
        return {"problem": f"{name} needs more memory than it may have"}, b""
    except ModelError as error:
        return {"problem": str(error), "is_parity": isinstance(error, ParityError)}, b""
    # Whatever it is: of a stranger's code, any.
    except BaseException as error:
        return {"problem": f"{name} cannot be read: {type(error).__name__}: {error}"}, b""
    said = {
        "columns": found.columns, "report": asdict(found.report), "warned": found.warned,
        "codes": found.codes,
    }  # fmt: skip
    return said, found.content


if __name__ == "__main__":
    main()
