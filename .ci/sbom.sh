#!/usr/bin/env bash
# What the image installs, as CycloneDX: every version of the lock with its hashes, and this project
# as the root. The same lock gives the same bytes. Nothing is resolved and no index is asked; only
# the tool itself is installed, in a venv of its own.
#
#     .ci/sbom.sh PYTHON FOLDER OUTPUT [LOCK]
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
python=$1 folder=$2 output=$3 lock=${4:-requirements/run.txt}
tool=cyclonedx-bom==7.5.0

[ "$(cat "$folder/.tool" 2>/dev/null)" = "$tool" ] || {
    "$python" -m venv --clear "$folder"
    "$folder/bin/python" -m pip --disable-pip-version-check --no-input install --quiet "$tool"
    echo "$tool" >"$folder/.tool"
}
mkdir -p "$(dirname "$output")"
# The warning is about edges between components, which a lock does not have.
"$folder/bin/python" -W ignore::UserWarning -m cyclonedx_py requirements "$lock" \
    --pyproject pyproject.toml --spec-version 1.6 --output-reproducible --validate \
    --output-format JSON --output-file "$output"
components=$("$folder/bin/python" -c \
    'import json, sys; print(len(json.load(open(sys.argv[1]))["components"]))' "$output")
locked=$(grep -c '^[A-Za-z0-9]' "$lock")
[ "$components" = "$locked" ] || {
    echo "ifonly: $output has $components components, and $lock $locked" >&2
    exit 1
}
echo "ifonly: $output has the $components parts of $lock"
