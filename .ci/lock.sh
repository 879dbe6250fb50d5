#!/bin/sh
# Rewrite requirements/*.txt from pyproject.toml: one set of versions for every supported Python,
# with hashes, and no address in it. UPGRADE=1 moves to the newest versions; without it what is
# locked stays unless pyproject.toml forbids it.
set -eu
cd "$(dirname "$0")/.."
python=$1

scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT
"$python" -m venv "$scratch/venv"
"$scratch/venv/bin/python" -m pip install --quiet --disable-pip-version-check 'uv>=0.9'

# uv reads none of pip's settings: hand it pip's index, on the command line only.
index=${PIP_INDEX_URL:-$("$scratch/venv/bin/python" -m pip config get global.index-url 2>/dev/null || true)}

lock() { # lock OUTPUT ARGUMENTS...: the output's annotations keep only relative names
    output=$1
    shift
    "$scratch/venv/bin/uv" pip compile --quiet --no-config --universal --python-version 3.11 \
        --fork-strategy fewest --generate-hashes --no-emit-index-url --no-emit-find-links --no-header \
        ${index:+--default-index "$index"} ${UPGRADE:+--upgrade} --output-file "$output" "$@"
}

# The image can trace, fetch models from stores of objects, and print sheets: what is not configured does nothing.
lock requirements/run.txt --extra traces --extra objects --extra pdf pyproject.toml
lock requirements/test.txt --constraint requirements/run.txt \
    --extra train --extra notebook --extra dice --extra parquet --extra bulk --extra delta --extra iceberg --extra effect --extra traces --extra objects --extra pdf --extra grpc --extra kafka --extra mqtt --extra mlflow --extra dev pyproject.toml
lock requirements/build.txt --constraint requirements/test.txt requirements/build.in
lock requirements/compiler.txt requirements/compiler.in
for client in requirements/clients/*.in; do
    lock "${client%.in}.txt" "$client"
done

if grep -nE '://|file:|(^|[ =@])/' requirements/*.txt requirements/clients/*.txt; then
    echo "ifonly: an address or a path got into a lock" >&2
    exit 1
fi
