from __future__ import annotations

import pytest

from ifonly.explainers.causal import CausalSpec, parse_causal
from ifonly.models.repository import load_folder
from ifonly.service.settings import shipped_models


@pytest.fixture(scope="session")
def milling_spec() -> CausalSpec:
    """Of the default model."""
    deployed = load_folder(shipped_models() / "milling-machine" / "1")
    assert deployed.causal is not None
    return parse_causal(deployed.causal, "causal.toml", deployed.spec.schema)
