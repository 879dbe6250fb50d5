"""Compiles the search, ``explainers/native``: hatchling calls this when the package is built.

    python hatch_build.py [--sanitize]      compile it in place
    python hatch_build.py --compiler        is there a compiler? Says which, or fails

The compiler is that of ``CXX``, or else the system's, or else Zig's, which the ``ziglang`` wheel
brings.
"""

from __future__ import annotations

import argparse
import importlib.util
import os
import platform
import shlex
import shutil
import subprocess
import sys
import sysconfig
import tempfile
from hashlib import sha256
from pathlib import Path
from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface

ROOT = Path(__file__).resolve().parent
FOLDER = ROOT / "explainers" / "native"
EXTENSION = FOLDER / f"kernel{sysconfig.get_config_var('EXT_SUFFIX')}"
# No flag that changes a result: sums round here as they do on any machine.
COMMON = ("-std=c++20", "-fPIC", "-fvisibility=hidden", "-ffp-contract=off")
FAST = ("-O3", "-DNDEBUG", "-DNB_COMPACT_ASSERTIONS", "-ffunction-sections", "-fdata-sections")
# Where somebody looks: a compiler of tomorrow, that warns of more, must not break an installation.
WARNINGS = ("-Wall", "-Wextra", *(["-Werror"] if "CI" in os.environ else []))
# Addresses and undefined behaviour are watched, and so is every index.
SANITIZED = (
    "-O1", "-g", "-fno-omit-frame-pointer", "-DIFONLY_CHECKED",
    "-fsanitize=address,undefined", "-fno-sanitize-recover=undefined",
)  # fmt: skip
# Any processor of the last fifteen years; newer ones gained under 1 % (decision 0093).
BASELINE = {"x86_64": "x86-64-v2", "AMD64": "x86-64-v2"}


def compiler() -> list[str] | None:
    """The command; None if there is no compiler."""
    if named := os.environ.get("CXX"):
        return shlex.split(named)
    for name in ("c++", "g++", "clang++"):
        if found := shutil.which(name):
            return [found]
    if importlib.util.find_spec("ziglang") is not None:
        return [sys.executable, "-m", "ziglang", "c++"]
    return None


def machine_flags(command: list[str]) -> list[str]:
    """What processors, and with Zig which systems, it is compiled for."""
    baseline = BASELINE.get(platform.machine())
    if not {"zig", "ziglang"} & {Path(part).name for part in command}:
        return [f"-march={baseline}"] if baseline else []
    # Zig writes the names of processors in its own way.
    flags = [f"-march={baseline.replace('-', '_')}"] if baseline else []
    if sys.platform == "linux":
        # The C library that it brings: a slim system has none to compile with.
        libc = "gnu.2.28" if platform.libc_ver()[0] == "glibc" else "musl"
        flags += ["-target", f"{platform.machine()}-linux-{libc}"]
    return flags


def digest() -> str:
    """Of the sources, which the compiled module says that it is of."""
    files = sorted(FOLDER.glob("*.?pp"))
    return sha256(b"".join(file.read_bytes() for file in files)).hexdigest()


def build(extension: Path = EXTENSION, *, sanitize: bool = False) -> None:
    """Compile the extension.

    Raises
    ------
    SystemExit
        If there is no compiler.
    subprocess.CalledProcessError
        If it fails.
    """
    import nanobind

    command = compiler()
    if command is None:
        raise SystemExit("ifonly: there is no C++ compiler: install one, or the wheel ziglang")
    machine = machine_flags(command)
    flags = [*COMMON, *machine, *(SANITIZED if sanitize else FAST)]
    binding = Path(nanobind.include_dir()).parent
    headers = (
        sysconfig.get_path("include"),
        binding / "include",
        binding / "ext/robin_map/include",
    )
    flags += [f"-isystem{folder}" for folder in headers]
    with tempfile.TemporaryDirectory() as scratch:
        parts = {
            # nanobind reads Python's objects as more than one type.
            binding / "src/nb_combined.cpp": ["-fno-strict-aliasing", "-w"],
            FOLDER / "module.cpp": [
                "-Wall",
                "-Wextra",
                "-Werror",
                f'-DIFONLY_SOURCES="{digest()}"',
            ],
        }
        objects = [str(Path(scratch) / f"{source.stem}.o") for source in parts]
        running = [
            subprocess.Popen([*command, *flags, *own, "-c", str(source), "-o", made])
            for (source, own), made in zip(parts.items(), objects, strict=True)
        ]
        for each in running:
            if each.wait():
                raise subprocess.CalledProcessError(each.returncode, each.args)
        linking = (
            ["-shared"] if sys.platform != "darwin" else ["-bundle", "-undefined", "dynamic_lookup"]
        )
        linking += ["-fsanitize=address,undefined"] if sanitize else []
        if sys.platform == "linux" and not sanitize:
            linking += ["-Wl,-s", "-Wl,--gc-sections"]
        # Beside its place first: a process that has the old one loaded keeps it.
        made = str(Path(scratch) / extension.name)
        subprocess.run([*command, *machine, *objects, *linking, "-o", made], check=True)
        fresh = extension.with_name(f".{extension.name}.{os.getpid()}")
        shutil.copy2(made, fresh)
        fresh.replace(extension)


def link() -> None:
    """Within ``ifonly``, the packages beside it: an archive of the sources has lost the links."""
    for name in ("explainers", "models", "service"):
        place = ROOT / "ifonly" / name
        if not place.is_dir():
            place.unlink(missing_ok=True)  # git writes a text where it can make no link
            place.symlink_to(Path("..") / name, target_is_directory=True)


class NativeBuildHook(BuildHookInterface[Any]):
    """Puts the extension into the source tree, and from there into the wheel."""

    def dependencies(self) -> list[str]:
        return [] if compiler() else ["ziglang"]

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        if self.target_name != "wheel":
            return
        build()
        if version == "editable":
            link()
        build_data["pure_python"] = False
        build_data["infer_tag"] = True
        # It is in .gitignore, so it is named.
        build_data["artifacts"].append(f"/explainers/native/{EXTENSION.name}")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--sanitize", action="store_true")
    parser.add_argument("--compiler", action="store_true")
    options = parser.parse_args()
    if options.compiler:
        command = compiler()
        print(shlex.join(command) if command else "ifonly: there is no C++ compiler")
        raise SystemExit(command is None)
    link()
    build(sanitize=options.sanitize)


if __name__ == "__main__":
    main()
