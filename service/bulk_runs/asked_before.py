"""What a manifest says was read and asked, as it can be read and asked once more."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ifonly.service.bulk import BulkOptions
from ifonly.service.bulk_runs import manifest
from ifonly.service.bulk_runs.planning import Plan
from ifonly.service.bulk_runs.reading.source import InputFormat, ReadOptions, RowSource, opened
from ifonly.service.bulk_runs.targets import OutputTarget
from ifonly.service.errors import CannotBulk
from ifonly.service.served.registry import ServedModel

Said = Mapping[str, Any]


class InputChanged(CannotBulk):
    """The input has another digest than what was read."""

    def __init__(self, given: str) -> None:
        super().__init__(f"{given} is not what was read: its digest is another")
        self.given = given


def input_before(read: Said, how: Said, given: str | None) -> RowSource:
    """The input of a manifest; ``given``: where it is now, if not where it was.

    Raises
    ------
    InputChanged
        If it is not what was read.
    CannotBulk
        If it cannot be read.
    """
    options = ReadOptions(
        InputFormat(read["format"]), how["delimiter"], how["encoding"], read["table_version"]
    )
    place = given or read["given"]
    names = {file["name"] for file in read["files"]}
    # What has come into the folder since was not read then.
    source = opened(place, options, lambda file: given is not None or file.name in names)
    if manifest.input_of(source)["sha256"] != read["sha256"]:
        raise InputChanged(place)
    return source


def options_before(said: Said) -> BulkOptions:
    """What was asked of every row; without a deadline: an answer that was not cut comes again."""
    asked, how = said["identity"]["asked"], said["how"]
    return BulkOptions(
        target=asked.get("target"),
        constraints=asked.get("constraints", {}),
        semantics=asked.get("semantics"),
        alternatives=asked.get("alternatives", 1),
        ways=asked.get("ways", False),
        seed=asked.get("seed", 0),
        deadline_ms=None,
        languages=tuple(asked.get("languages", ())),
        id=how["id"],
        columns=how["names"],
        extra=how["extra"],
    )


def plan_before(said: Said, target: OutputTarget, model: ServedModel, source: RowSource) -> Plan:
    """The run as it was planned."""
    how = said["how"]
    return Plan(
        source.given,
        target.given,
        model,
        options_before(said),
        ReadOptions(source.format, how["delimiter"], how["encoding"], source.table_version),
        is_alarms_only=how["only"] == "alarms",
        columns=tuple(how["columns"]),
        kept=tuple(how["keep"]),
    )
