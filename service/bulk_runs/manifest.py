"""What is said of a run beside its answers: what was read, asked, answered and written, with the
digests of all of it."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict
from typing import Any

import pyarrow as pa

from ifonly.service.bulk_runs.reading.source import RowSource
from ifonly.service.bulk_runs.tally import RunTally
from ifonly.service.bulk_runs.targets import OutputFile
from ifonly.service.errors import CannotBulk
from ifonly.service.settings import ifonly_version
from ifonly.service.store.chain import microseconds, now_us, timestamp

FORMAT = 1


def input_of(source: RowSource, tell: Any = None) -> dict[str, Any]:
    """What is read, with the digest of each file; these are read for it.

    Raises
    ------
    CannotBulk
        If one cannot be read.
    """
    files: list[dict[str, Any]] = []
    for file in source.files:
        files.append({"name": file.name, "bytes": file.size, "sha256": file.sha256})
        if tell is not None:
            tell(file.size)
    return {
        "format": source.format.value,
        "table_version": source.table_version,
        "files": files,
        "sha256": _of_all(f["sha256"] for f in files),
    }


def differences(before: Mapping[str, Any], now: Mapping[str, Any]) -> list[str]:
    """What of a question is another, in words."""
    told = []
    was = {f["name"]: f for f in before["input"]["files"]}
    became = {f["name"]: f for f in now["input"]["files"]}
    for name in sorted(was.keys() | became.keys()):
        if name not in became:
            told.append(f"{name} is not there any more")
        elif name not in was:
            told.append(f"{name} is new")
        elif was[name]["sha256"] != became[name]["sha256"]:
            told.append(f"{name} was changed")
    if before["input"]["table_version"] != now["input"]["table_version"]:
        a, b = before["input"]["table_version"], now["input"]["table_version"]
        told.append(f"the table's version was {a}, and is {b}")
    for part in ("identity", "how"):
        for key in sorted(before[part].keys() | now[part].keys()):
            a, b = before[part].get(key), now[part].get(key)
            if a != b:
                told.append(f"{key} was {json.dumps(a)}, and is {json.dumps(b)}")
    return told


def written(
    run: Mapping[str, Any],
    tally: RunTally,
    files: Sequence[OutputFile],
    errors: OutputFile | None,
    schema: pa.Schema,
    *,
    is_recorded: bool,
) -> bytes:
    """The manifest of a run that is complete."""
    question = run["question"]
    said = {
        "format": FORMAT,
        "id": run["id"],
        "begun": run["begun"],
        "ended": timestamp(now_us()),
        "ifonly_version": ifonly_version(),
        "pyarrow_version": pa.__version__,
        "identity": question["identity"],
        "input": {**question["input"], "given": run["given"]},
        "how": question["how"],
        **tally.as_json(),
        "bad": tally.bad,
        "output": {
            "columns": schema.names,
            "rows": sum(file.rows for file in files),
            "bytes": sum(file.bytes for file in files),
            "files": [asdict(file) for file in files],
            "sha256": _of_all(file.sha256 for file in files),
        },
        "errors": None if errors is None else asdict(errors),
        "is_recorded": is_recorded,
    }
    return json.dumps(said, indent=1, ensure_ascii=False).encode()


def read(data: bytes, where: str) -> dict[str, Any]:
    """Raises
    ------
    CannotBulk
        If it is no manifest.
    """
    try:
        found = json.loads(data)
        if found["format"] == FORMAT and found["id"] and _is_whole(found):
            return dict(found)
    except (ValueError, KeyError, TypeError, AttributeError):
        pass
    raise CannotBulk(f"{where} is no manifest of a run (of form {FORMAT})")


_PARTS: Mapping[str, Mapping[str, type | tuple[type, ...]]] = {
    "identity": {
        "model": str,
        "version": str,
        "model_sha256": str,
        "spec_sha256": str,
        "causal_sha256": (str, type(None)),
        "asked": dict,
        "ifonly_version": str,
    },
    "input": {"given": str, "format": str, "files": list, "sha256": str},
    "how": {"names": dict, "only": str, "columns": list, "keep": list, "encoding": str},
    "output": {"columns": list, "rows": int, "bytes": int, "files": list},
}
_WHOLE: Mapping[str, type | tuple[type, ...]] = {
    "rows": int,
    "counts": dict,
    "deadline_hit": int,
    "begun": str,
    "ended": str,
    "errors": (dict, type(None)),
    "is_recorded": bool,
}


def _is_whole(found: Mapping[str, Any]) -> bool:
    """Whether all that is read of a manifest is there: anybody may have written it."""
    files = found["output"]["files"]
    for end in ("begun", "ended"):
        microseconds(found[end])
    return (
        all(isinstance(found[key], kind) for key, kind in _WHOLE.items())
        and all(
            isinstance(found[part][key], kind)
            for part, keys in _PARTS.items()
            for key, kind in keys.items()
        )
        and bool(files)
        and all(isinstance(file[key], str) for file in files for key in ("name", "sha256"))
        and all(isinstance(file["name"], str) for file in found["input"]["files"])
        and all(isinstance(n, int) for n in found["counts"].values())
    )


def _of_all(digests: Iterable[str]) -> str:
    """One file's own; of several, that of their list."""
    found = list(digests)
    return found[0] if len(found) == 1 else hashlib.sha256("\n".join(found).encode()).hexdigest()
