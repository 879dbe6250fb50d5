"""Settings of the service, read from the environment: ``IFONLY_PORT=8080``."""

from __future__ import annotations

import os
from importlib.resources import files
from pathlib import Path
from typing import Literal

from pydantic import Field
from pydantic_settings import BaseSettings, SettingsConfigDict

MAX_DEADLINE_MS = 60_000
"""No question may take longer, whatever the settings."""


def shipped_models() -> Path:
    """The folder of the models that come with the package."""
    return Path(str(files("models") / "artifacts"))


class Settings(BaseSettings):
    """Every knob of the service; nothing else reads the environment."""

    model_config = SettingsConfigDict(env_prefix="IFONLY_", frozen=True, extra="ignore")

    models: Path = Field(default_factory=shipped_models)
    """Folder of model folders."""
    host: str = "127.0.0.1"
    port: int = Field(8080, ge=0, le=65_535)
    """0 lets the system choose."""
    max_body_bytes: int = Field(1_048_576, ge=1)
    """A longer request body is refused with 413."""
    default_deadline_ms: int = Field(2_000, ge=1, le=MAX_DEADLINE_MS)
    """For a request that names none."""
    max_deadline_ms: int = Field(MAX_DEADLINE_MS, ge=1, le=MAX_DEADLINE_MS)
    """A request that asks for more gets this much; the reply says how much it was."""
    workers: int = Field(default_factory=lambda: os.cpu_count() or 1, ge=1)
    """Questions answered at once, each in a thread; model calls release the GIL."""
    max_waiting: int = Field(64, ge=0)
    """Questions that may wait for a thread; more are refused with 503."""
    refresh_seconds: float = Field(5.0, ge=0.0)
    """How often the folder of models is looked at for changes; 0: only at SIGHUP."""
    log_format: Literal["plain", "json"] = "plain"
    log_level: Literal["DEBUG", "INFO", "WARNING", "ERROR"] = "INFO"
    shutdown_seconds: int = Field(10, ge=1)
    """How long requests under way may take to finish once the service is told to stop."""
