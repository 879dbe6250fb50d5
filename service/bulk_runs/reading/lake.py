"""Delta and Iceberg tables, at one of their versions; data file by data file, in order of names."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import pyarrow as pa
import pyarrow.fs as pafs

from ifonly.service.bulk_runs.misasked import misasked
from ifonly.service.bulk_runs.reading.columnar import ROWS
from ifonly.service.bulk_runs.reading.pieces import RowPiece
from ifonly.service.bulk_runs.reading.places import InputFile, reading, said, system_of
from ifonly.service.errors import CannotBulk

ICEBERG = "iceberg:"
"""Before ``CATALOG/NAMESPACE.TABLE``: a table of a catalog that pyiceberg's settings name."""
METADATA = ".metadata.json"
LOG = "_delta_log"

Batches = Callable[[list[str]], Iterator[pa.RecordBatch]]
"""The rows of one data file, of them some columns."""


@dataclass(frozen=True)
class LakeReader:
    """A table at one version."""

    version: str
    files: tuple[InputFile, ...]
    columns: pa.Schema
    counts: Mapping[str, int]
    """Rows by path of the file."""
    read: Mapping[str, Batches]
    """By path of the file."""

    def schema(self, file: InputFile) -> pa.Schema:
        return self.columns

    def rows(self, file: InputFile) -> int | None:
        return self.counts.get(file.path)

    def pieces(self, file: InputFile, schema: pa.Schema) -> Iterator[RowPiece]:
        names = [name for name in schema.names if name in self.columns.names]
        with reading(file.name):
            for batch in self.read[file.path](names):
                yield RowPiece(batch)


def is_delta(given: str) -> bool:
    """Whether a folder is a Delta table."""
    system, path = system_of(given)
    found = system.get_file_info(f"{path.rstrip('/')}/{LOG}")
    return bool(found.type is pafs.FileType.Directory)


def is_iceberg(given: str) -> bool:
    return given.startswith(ICEBERG) or given.endswith(METADATA)


def delta(given: str, version: str | None) -> LakeReader:
    """Raises
    ------
    CannotBulk
        If it cannot be read, or its library is not installed.
    """
    try:
        from deltalake import DeltaTable
        from deltalake.exceptions import DeltaError
    except ImportError:
        raise CannotBulk(
            f"{given} is a Delta table, which needs: pip install 'ifonly[delta]'"
        ) from None
    try:
        table = DeltaTable(given, version=None if version is None else _whole(version))
        dataset = table.to_pyarrow_dataset()
    except (DeltaError, OSError) as error:
        raise CannotBulk(f"{given} cannot be read: {said(error)}") from None
    root, base = system_of(given)
    found = {}
    for fragment in dataset.get_fragments():
        info = root.get_file_info(f"{base.rstrip('/')}/{fragment.path}")
        file = InputFile(fragment.path, root, info.path, info.size or 0, info.mtime_ns or 0)
        found[file.path] = (file, fragment)

    def batches(fragment: Any) -> Batches:
        return lambda columns: fragment.to_batches(
            schema=dataset.schema, columns=columns, batch_size=ROWS
        )

    ordered = sorted(found)
    return LakeReader(
        str(table.version()),
        tuple(found[path][0] for path in ordered),
        dataset.schema,
        {path: int(found[path][1].metadata.num_rows) for path in ordered},
        {path: batches(found[path][1]) for path in ordered},
    )


def iceberg(given: str, version: str | None) -> LakeReader:
    """Raises
    ------
    CannotBulk
        If it cannot be read, or its library is not installed.
    """
    try:
        from pyiceberg.catalog import load_catalog
        from pyiceberg.io.pyarrow import ArrowScan, schema_to_pyarrow
        from pyiceberg.table import StaticTable
    except ImportError:
        raise CannotBulk(
            f"{given} is an Iceberg table, which needs: pip install 'ifonly[iceberg]'"
        ) from None
    try:
        if given.startswith(ICEBERG):
            catalog, _, name = given.removeprefix(ICEBERG).partition("/")
            table = load_catalog(catalog).load_table(name)
        else:
            table = StaticTable.from_metadata(given)
        newest = table.current_snapshot()
        snapshot = _whole(version) if version else newest and newest.snapshot_id
        tasks = {
            task.file.file_path: task for task in table.scan(snapshot_id=snapshot).plan_files()
        }
    # Catalogs fail in as many ways as there are catalogs.
    except Exception as error:
        raise CannotBulk(f"{given} cannot be read: {said(error)}") from None
    files = tuple(_data_file(path) for path in sorted(tasks))

    def batches(task: Any) -> Batches:
        def read(columns: list[str]) -> Iterator[pa.RecordBatch]:
            scan = table.scan(snapshot_id=snapshot, selected_fields=tuple(columns))
            part = ArrowScan(table.metadata, table.io, scan.projection(), scan.row_filter)
            yield from part.to_record_batches([task])

        return read

    by_path = {file.path: tasks[name] for file, name in zip(files, sorted(tasks), strict=True)}
    return LakeReader(
        str(snapshot),
        files,
        schema_to_pyarrow(table.scan(snapshot_id=snapshot).projection()),
        {
            path: int(task.file.record_count)
            for path, task in by_path.items()
            if not task.delete_files
        },
        {path: batches(task) for path, task in by_path.items()},
    )


def _data_file(uri: str) -> InputFile:
    system, path = system_of(uri)
    info = system.get_file_info(path)
    return InputFile(uri.rsplit("/", 1)[-1], system, path, info.size or 0, info.mtime_ns or 0)


def _whole(version: str) -> int:
    try:
        return int(version)
    except ValueError:
        raise misasked("--table-version", f"is {version!r}, not a number") from None
