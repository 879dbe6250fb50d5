#!/usr/bin/env bash
# The oracle's tests of trees and networks, and many malformed arrays, with the search compiled so that reads and
# writes outside of memory, undefined behaviour and indices beyond arrays end the process. In a copy
# of the sources: what is installed stays. Needs GCC.
#
#     .ci/sanitize.sh PYTHON FOLDER [PYTEST OPTIONS]
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
python=$(realpath -s "$1") folder=$2
shift 2

rm -rf "$folder"
mkdir -p "$folder"
cp -r ifonly explainers models service tests bench hatch_build.py pyproject.toml README.md "$folder"
cd "$folder"
export CXX=${CXX:-g++} PYTHONPATH=$PWD${PYTHONPATH:+:$PYTHONPATH}
"$python" hatch_build.py --sanitize
export ASAN_OPTIONS=detect_leaks=0:detect_stack_use_after_return=1 # Python's own leaks are many
export UBSAN_OPTIONS=print_stacktrace=1 PYTHONMALLOC=malloc IFONLY_MALFORMED=${IFONLY_MALFORMED:-20000}
# The extension is a guest of a process that was not compiled so.
LD_PRELOAD="$($CXX -print-file-name=libasan.so) $($CXX -print-file-name=libstdc++.so)"
LD_PRELOAD=$LD_PRELOAD exec "$python" -m pytest -p no:cacheprovider -m "not slow and not long" "$@" \
    tests/property/explainers/test_malformed_arrays.py \
    tests/unit/explainers/test_{native,merging_and_prices}.py \
    tests/oracle/test_{trees,survival,causal_trees,priced_boxes,isolation_forests}_against_brute_force.py \
    tests/oracle/test_{networks,units,followed_networks,any_row}_against_brute_force.py \
    tests/oracle/test_networks_that_round.py \
    tests/oracle/test_effects_{in_the_kernel,at_edges}.py \
    tests/oracle/test_{trees_on_stretches,infeasible_subsystems_and_ranges}.py
