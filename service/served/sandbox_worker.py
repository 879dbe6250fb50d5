"""The child of :class:`ifonly.service.served.sandbox.Sandbox`: tries folders until its input ends.

``python -m ifonly.service.served.sandbox_worker RUN_SECONDS SECONDS BYTES``; each line of standard
input is a JSON list of a version folder and its repository, each line of standard output what is
wrong with it.
"""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path
from typing import Any

import numpy as np

# All engines, before the walls: what they import is no folder's fault.
import ifonly.explainers.search.linear
import ifonly.explainers.search.relu
import ifonly.explainers.search.trees.engine  # noqa: F401
from ifonly.models.errors import GraphError, ModelError
from ifonly.models.onnx import GuardLimits
from ifonly.models.onnx.predictor import CHUNK
from ifonly.models.onnx.trial import trial_rows
from ifonly.models.onnx.walls import more_processor, wall_in
from ifonly.models.repository import load_folder
from ifonly.service.served.registry import prepare
from ifonly.service.served.sandbox import READY, written


def main() -> None:
    replies = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)  # what libraries print must not come between the lines
    run_seconds, seconds, memory = float(sys.argv[1]), float(sys.argv[2]), int(sys.argv[3])
    limits = GuardLimits(run_seconds, seconds, memory, boxed=False)  # this process is the box
    wall_in(memory)
    print(READY, file=replies, flush=True)
    for line in sys.stdin:
        folder, root = map(Path, json.loads(line))
        # Anew for each folder: one that took long leaves the next its whole time.
        more_processor(seconds)
        print(json.dumps(tried(folder, root, limits)), file=replies, flush=True)


def tried(folder: Path, root: Path, limits: GuardLimits) -> dict[str, Any]:
    """What is wrong with the folder; empty: nothing."""
    label = f"{'/'.join(folder.parts[-2:])}/model.onnx"
    try:
        _try(folder, root, limits)
    except MemoryError:
        return {"problem": f"{label}: needs more than {limits.memory}, which is the limit"}
    except ModelError as error:
        said = written(error)
        if "alloc" in said.get("problem", ""):  # as ONNX Runtime says it, in several ways
            said["problem"] += f" (it may use {limits.memory})"
        return said
    except Exception as error:  # whatever it is, it would have been the service's
        return {"problem": f"{label}: {type(error).__name__}: {error}"}
    return {}


def _try(folder: Path, root: Path, limits: GuardLimits) -> None:
    deployed = load_folder(folder, root, limits=limits)
    # What the engine makes of it, too: tables of a whole model take memory and time.
    _ = prepare(deployed).engine
    if not deployed.has_copy:
        return
    rows = trial_rows(deployed.spec.schema)
    try:
        # As many rows as a run may ever have: what a graph needs grows with them.
        deployed.predictor.score(np.resize(rows, (CHUNK, rows.shape[1])))
    except GraphError as error:
        raise GraphError(f"{'/'.join(folder.parts[-2:])}/model.onnx: {error}") from error


if __name__ == "__main__":
    main()
