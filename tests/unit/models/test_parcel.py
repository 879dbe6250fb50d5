"""What a zip may not do to a repository, and what it may be."""

from __future__ import annotations

import io
import stat
import struct
import zipfile
from pathlib import Path

import pytest

from ifonly.models.errors import SpecError
from ifonly.models.repository import parcel
from ifonly.models.repository.parcel import unpack

LIMIT = 1_000_000
SPEC = b"""
format = 1
name = "press"
version = "3"
task = "regression"
[[features]]
name = "pressure"
kind = "continuous"
"""


def packed(
    *entries: tuple[str | zipfile.ZipInfo, bytes], method: int = zipfile.ZIP_DEFLATED
) -> io.BytesIO:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", method) as archive:
        for name, data in entries:
            archive.writestr(name, data)
    file.seek(0)
    return file


def refusal(archive: io.BytesIO, root: Path, limit: int = LIMIT) -> str:
    with pytest.raises(SpecError) as caught:
        unpack(archive, root, limit)
    return str(caught.value)


@pytest.mark.parametrize("prefix", ["", "anything/", "a/b/"])
def test_files_come_to_lie_as_a_repository_has_them(tmp_path: Path, prefix: str) -> None:
    archive = packed(
        (f"{prefix}spec.toml", SPEC),
        (f"{prefix}model.onnx", b"graph"),
        (f"{prefix}mechanisms/torque.json", b"{}"),
        (f"{prefix}.DS_Store", b"x"),
        (f"__MACOSX/{prefix}._spec.toml", b"x"),
    )
    found = unpack(archive, tmp_path, LIMIT)
    assert found.folder == tmp_path / "press" / "3"
    assert (found.files, found.size) == (3, len(SPEC) + 7)
    files = {str(p.relative_to(found.folder)) for p in found.folder.rglob("*") if p.is_file()}
    assert files == {"spec.toml", "model.onnx", "mechanisms/torque.json"}
    assert (found.folder / "model.onnx").read_bytes() == b"graph"


@pytest.mark.parametrize(
    "name",
    [
        "../spec.toml",
        "a/../../x",
        "/etc/passwd",
        "./x",
        "a//b",
        "..\\x",
        "C:/x",
        "C:x",
        "a\nb",
        "x" * 201,
    ],
)
def test_a_path_that_leads_elsewhere_is_refused(tmp_path: Path, name: str) -> None:
    said = refusal(packed(("spec.toml", SPEC), (name, b"x")), tmp_path)
    assert "leads out of the folder" in said or "is no file name" in said


@pytest.mark.parametrize("kind", [stat.S_IFLNK, stat.S_IFIFO, stat.S_IFCHR, stat.S_IFSOCK])
def test_links_and_devices_are_refused(tmp_path: Path, kind: int) -> None:
    link = zipfile.ZipInfo("model.onnx")
    link.external_attr = (kind | 0o777) << 16
    said = refusal(packed(("spec.toml", SPEC), (link, b"/etc/passwd")), tmp_path)
    assert "model.onnx: is a link or a device" in said


def test_names_that_some_file_systems_take_for_one_are_refused(tmp_path: Path) -> None:
    entries = (("spec.toml", SPEC), ("Model.onnx", b"a"), ("model.ONNX", b"b"))
    assert "is there twice" in refusal(packed(*entries), tmp_path)


def test_every_wrong_entry_is_named(tmp_path: Path) -> None:
    said = refusal(packed(("spec.toml", SPEC), ("../a", b""), ("/b", b"")), tmp_path)
    assert said.splitlines() == [
        "zip: ../a: leads out of the folder",
        "zip: /b: leads out of the folder",
    ]


@pytest.mark.parametrize("method", [zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA])
def test_other_methods_of_compression_are_refused(tmp_path: Path, method: int) -> None:
    assert "other than deflate" in refusal(packed(("spec.toml", SPEC), method=method), tmp_path)


def test_an_encrypted_entry_is_refused(tmp_path: Path) -> None:
    data = bytearray(packed(("spec.toml", SPEC)).getvalue())
    data[data.index(b"PK\x01\x02") + 8] |= 1
    assert "is encrypted" in refusal(io.BytesIO(bytes(data)), tmp_path)


def test_what_unpacks_to_too_much_is_refused_before_it_is(tmp_path: Path) -> None:
    bomb = packed(("spec.toml", SPEC), ("model.onnx", bytes(2 * LIMIT)))
    assert len(bomb.getvalue()) < 10_000
    assert "unpacks to more than 1,000,000 bytes" in refusal(bomb, tmp_path)


def test_a_size_that_lies_is_found_while_unpacking(tmp_path: Path) -> None:
    data = bytearray(packed(("spec.toml", SPEC), ("model.onnx", bytes(2 * LIMIT))).getvalue())
    entry = data.rindex(b"PK\x01\x02")
    data[entry + 24 : entry + 28] = struct.pack("<I", 10)  # of two million
    with pytest.raises(SpecError):
        unpack(io.BytesIO(bytes(data)), tmp_path, LIMIT)
    assert sum(p.stat().st_size for p in tmp_path.rglob("*") if p.is_file()) <= LIMIT


def test_too_many_files_are_refused(tmp_path: Path) -> None:
    many = [(f"mechanisms/{k}.json", b"") for k in range(parcel.MAX_FILES)]
    assert "501 entries" in refusal(packed(("spec.toml", SPEC), *many), tmp_path)


@pytest.mark.parametrize(
    ("entries", "words"),
    [
        ([("model.onnx", b"")], "holds 0 files spec.toml"),
        ([("a/spec.toml", SPEC), ("b/spec.toml", SPEC)], "holds 2 files spec.toml"),
        ([("a/spec.toml", SPEC), ("model.onnx", b"")], "lies outside of a/"),
        ([("spec.toml", SPEC), ("a", b""), ("a/b", b"")], "where another one has a folder"),
        ([("spec.toml", b"name = ")], "is not TOML"),
        ([("spec.toml", SPEC.replace(b"press", b"../up"))], "name"),
    ],
)
def test_what_is_no_model_folder_is_refused(
    tmp_path: Path, entries: list[tuple[str, bytes]], words: str
) -> None:
    assert words in refusal(packed(*entries), tmp_path)


@pytest.mark.parametrize("data", [b"", b"PK", b"no zip at all", b"PK\x05\x06" + bytes(17)])
def test_what_is_no_zip_is_refused(tmp_path: Path, data: bytes) -> None:
    assert "cannot be unpacked" in refusal(io.BytesIO(data), tmp_path)


def test_a_zip_that_is_cut_or_damaged_is_refused(tmp_path: Path) -> None:
    whole = packed(("spec.toml", SPEC), ("model.onnx", bytes(range(256)) * 50)).getvalue()
    for data in (whole[:-30], whole[:200] + b"\xff\xff\xff" + whole[203:]):
        with pytest.raises(SpecError):
            unpack(io.BytesIO(data), tmp_path, LIMIT)
