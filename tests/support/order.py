"""In which order files of tests are handed out: those that take long first, so that no process is
left alone with one of them at the end."""

from __future__ import annotations

from collections.abc import Sequence

import pytest

LONGEST = (
    "oracle/test_planted_faults.py",
    "integration/test_installed.py",
    "integration/test_staging.py",
    "integration/test_causal_effect.py",
    "integration/test_bulk_runs.py",
    "integration/clients/test_servers.py",
    "integration/clients/test_libraries.py",
    "integration/clients/test_ray.py",
    "oracle/test_fine_grids.py",
    "oracle/test_linear_and_relu_against_brute_force.py",
    "oracle/test_blackbox_against_brute_force.py",
    "oracle/test_effects_in_the_kernel.py",
    "contract/store/test_old_store.py",
    "integration/test_confirmed.py",
    "integration/test_models_add_kinds.py",
    "integration/test_models_add_trust.py",
    "oracle/test_firm_targets_against_brute_force.py",
    "unit/causal/test_which_graphs.py",
    "oracle/verify/test_laws.py",
)
"""The longest first, by their CPU seconds (``--cpu``)."""
_PLACES = {f"tests/{name}": place for place, name in enumerate(LONGEST)}


def longest_first(items: Sequence[pytest.Item]) -> list[pytest.Item]:
    """The tests of a file stay together, in their order."""
    return sorted(items, key=lambda item: _PLACES.get(item.nodeid.split("::")[0], len(_PLACES)))
