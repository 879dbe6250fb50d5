#!/usr/bin/env bash
# Known advisories against the versions of the lock, by pip-audit, which asks OSV (api.osv.dev).
# What could not be asked about counts as a failure: no answer is not a clean one. (pip-audit's
# other source, the package index, is not used: through a mirror without advisories it passes.)
#
#     .ci/audit.sh PYTHON FOLDER [LOCK]      pip-audit gets a venv of its own in FOLDER
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
python=$1 folder=$2 lock=${3:-requirements/run.txt}

[ -x "$folder/bin/pip-audit" ] || {
    "$python" -m venv --clear "$folder"
    "$folder/bin/python" -m pip --disable-pip-version-check --no-input install --quiet pip-audit
}
said=$(mktemp)
trap 'rm -f "$said"' EXIT
if "$folder/bin/pip-audit" --vulnerability-service osv --strict --disable-pip --require-hashes \
    --progress-spinner off --requirement "$lock" 2>"$said"; then
    exit 0
fi
if grep -q "ConnectionError\|Timeout\|ConnectError" "$said"; then
    tail -n 1 "$said" >&2
    echo "ifonly: the advisories could not be asked: $lock is NOT audited" >&2
    exit 2
fi
cat "$said" >&2
echo "ifonly: $lock has known advisories, or parts that could not be audited: see above" >&2
exit 1
