#!/bin/sh
# Print the path of the Python to build .venv with: $1 if given, else the first that fits on PATH.
set -eu

fits() { "$1" -c 'import sys; sys.exit(not (3, 11) <= sys.version_info[:2] <= (3, 13))' 2>/dev/null; }
can_make_venv() { "$1" -c 'import ensurepip, venv' 2>/dev/null; }

without_ensurepip=
for candidate in ${1:-python3 python3.13 python3.12 python3.11 python}; do
    fits "$candidate" || continue
    if can_make_venv "$candidate"; then
        exec "$candidate" -c 'import sys; print(sys.executable)'
    fi
    without_ensurepip=$candidate
done

if [ -n "$without_ensurepip" ]; then
    version=$("$without_ensurepip" -c 'import sys; print("%d.%d" % sys.version_info[:2])')
    echo "ifonly: $without_ensurepip is Python $version but cannot make a venv with pip: its ensurepip" \
        "is missing. On Debian and Ubuntu: apt-get install python$version-venv" >&2
elif [ -n "${1:-}" ]; then
    echo "ifonly: PYTHON=$1 is not a Python >=3.11,<3.14." >&2
else
    echo "ifonly: no Python >=3.11,<3.14 on PATH. Name one: make PYTHON=/path/to/python3.12 ..." >&2
fi
exit 1
