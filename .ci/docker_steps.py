"""Run the Dockerfile without Docker: its own lines, in a scratch folder.

Each stage gets a folder as its file system and a fresh venv as its image's Python. ``RUN``
lines are run as they stand, by ``sh``; ``COPY``, ``WORKDIR``, ``ENV`` and ``ARG`` do what they
do in Docker; an instruction that is not known is an error, so nothing is skipped in silence.
Then the ``ENTRYPOINT`` is started and the ``HEALTHCHECK`` asked until it passes. ``USER`` and the
base image's operating system are what this cannot show.

    python .ci/docker_steps.py [--target STAGE]     stop after that stage, start nothing
"""

import argparse
import json
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass, field
from pathlib import Path

PROJECT = Path(__file__).resolve().parent.parent
PASSED_ON = ("HOME", "LANG", "TMPDIR", "SSL_CERT_FILE", "http_proxy", "https_proxy", "no_proxy")


@dataclass
class Stage:
    root: Path
    env: dict[str, str]
    cwd: str = "/"
    healthcheck: list[str] = field(default_factory=list)
    entrypoint: list[str] = field(default_factory=list)

    def inside(self, path: str) -> Path:
        """Where ``path``, absolute or relative to ``WORKDIR``, lies on this machine."""
        return self.root / os.path.normpath(os.path.join(self.cwd, path)).lstrip("/")


def instructions(dockerfile: str) -> list[tuple[str, str]]:
    """``(KEYWORD, arguments)`` for each instruction, comments dropped, continued lines joined."""
    lines = [line for line in dockerfile.splitlines() if not line.lstrip().startswith("#")]
    joined = re.sub(r"\\\n\s*", "", "\n".join(lines))
    pairs = [line.split(maxsplit=1) for line in joined.splitlines() if line.strip()]
    return [(keyword.upper(), rest.strip()) for keyword, rest in pairs]


def new_stage(root: Path) -> Stage:
    root.mkdir(parents=True)
    subprocess.run([sys.executable, "-m", "venv", root / ".image"], check=True)
    env = {k: v for k, v in os.environ.items() if k in PASSED_ON or k.startswith("PIP_")}
    env["PATH"] = f"{root / '.image' / 'bin'}:/usr/local/bin:/usr/bin:/bin"
    return Stage(root, env)


def copy(arguments: str, stage: Stage, stages: dict[str, Stage]) -> None:
    *sources, target = arguments.split()
    base, origin = PROJECT, re.fullmatch(r"--from=(\w+)", sources[0])
    if origin:
        base, sources = stages[origin[1]].root, sources[1:]
    into = stage.inside(target)
    as_folder = target.endswith("/") or len(sources) > 1
    for source in sources:
        found = base / source.lstrip("/")
        if found.is_dir():
            shutil.copytree(
                found, into, dirs_exist_ok=True, ignore=shutil.ignore_patterns("__pycache__")
            )
        else:
            to = into / found.name if as_folder else into
            to.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(found, to)


def build(dockerfile: str, scratch: Path, target: str | None) -> Stage | None:
    """Run the stages in order: the last one, or ``None`` when ``target`` was reached and built."""
    stages: dict[str, Stage] = {}
    stage, name = None, ""
    for keyword, rest in instructions(dockerfile):
        if keyword == "FROM":
            if target and name == target:
                return None
            image = re.fullmatch(r"\S+(?:\s+AS\s+(\w+))?", rest, re.IGNORECASE)
            assert image, f"FROM {rest}: not understood"
            name = image[1] or str(len(stages))
            stage = stages[name] = new_stage(scratch / name)
            print(f"=== stage {name}: {rest}  [here: Python {sys.version.split()[0]}]", flush=True)
            continue
        if stage is None:
            assert keyword == "ARG", f"{keyword} before FROM"
            continue
        print(f"--- {keyword} {rest}", flush=True)
        if keyword == "RUN":
            subprocess.run(
                ["/bin/sh", "-c", rest],
                cwd=stage.inside("."), env=stage.env, stdin=subprocess.DEVNULL, check=True,
            )  # fmt: skip
        elif keyword == "COPY":
            copy(rest, stage, stages)
        elif keyword == "WORKDIR":
            stage.cwd = os.path.join(stage.cwd, rest)
            stage.inside(".").mkdir(parents=True, exist_ok=True)
        elif keyword == "ENV":
            stage.env |= dict(pair.split("=", 1) for pair in rest.split())
        elif keyword == "HEALTHCHECK":
            stage.healthcheck = json.loads(rest[rest.index("CMD") + 3 :])
        elif keyword == "ENTRYPOINT":
            stage.entrypoint = json.loads(rest)
        else:
            assert keyword in {"USER", "EXPOSE"}, f"{keyword}: not understood"
    return None if target else stage


def serve(stage: Stage, seconds: float) -> bool:
    """Start the entry point and ask the health check until it passes: True if it did in time."""
    port = int(stage.entrypoint[stage.entrypoint.index("--port") + 1])
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        probe.bind(("127.0.0.1", port))  # fails here, not by asking somebody else's service
    program = shutil.which(stage.entrypoint[0], path=stage.env["PATH"])
    assert program, f"{stage.entrypoint[0]}: not in the image"
    where = {"cwd": stage.inside("."), "env": stage.env}
    service = subprocess.Popen([program, *stage.entrypoint[1:]], **where)
    try:
        deadline = time.monotonic() + seconds
        python = shutil.which(stage.healthcheck[0], path=stage.env["PATH"])
        while time.monotonic() < deadline and service.poll() is None:
            check = [str(python), *stage.healthcheck[1:]]
            if subprocess.run(check, **where, stderr=subprocess.DEVNULL).returncode == 0:
                return True
            time.sleep(0.5)
        return False
    finally:
        service.send_signal(signal.SIGTERM)
        try:
            print(f"--- stopped by SIGTERM, exit code {service.wait(20)}", flush=True)
        except subprocess.TimeoutExpired:
            service.kill()


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--target", help="stop after this stage")
    target = parser.parse_args().target
    with tempfile.TemporaryDirectory(prefix="docker-steps-") as scratch:
        stage = build((PROJECT / "Dockerfile").read_text(), Path(scratch), target)
        if stage is None:
            return 0
        healthy = serve(stage, seconds=180)
        print("healthy: the HEALTHCHECK passed" if healthy else "NOT healthy", flush=True)
        return 0 if healthy else 1


if __name__ == "__main__":
    sys.exit(main())
