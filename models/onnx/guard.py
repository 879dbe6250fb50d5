"""What the graphs of one model may cost, and whether they have shown to cost more."""

from __future__ import annotations

from dataclasses import dataclass

from ifonly.models.errors import OutOfService


@dataclass(frozen=True, slots=True)
class GuardLimits:
    """What the graphs of a model may take."""

    run_seconds: float = 10.0
    """Time of one run, which has no more rows than ``ifonly.models.onnx.predictor.CHUNK``."""
    load_seconds: float = 120.0
    """Until a graph can be run; and until a whole folder has been tried."""
    memory_bytes: int = 4 << 30
    """Address space of a process that runs graphs and nothing else."""
    boxed: bool = True
    """Whether graphs that may not end run in such a process. False: this one is one."""

    @property
    def memory(self) -> str:
        return f"{self.memory_bytes / 2**30:.3g} GiB of memory"


class Guard:
    """Shared by all graphs of one model: one that breaks a limit takes the model out of service."""

    def __init__(self, label: str = "the model", limits: GuardLimits | None = None) -> None:
        self.label = label
        """How errors call the model: its name and version."""
        self.limits = limits or GuardLimits()
        self.fault: str | None = None
        """Why it is out of service; None: it is not. It stays so until the folder is written to."""

    def check(self) -> None:
        """Raises
        ------
        OutOfService
            If it is.
        """
        if self.fault is not None:
            raise OutOfService(self.label, self.fault)

    def condemned(self, fault: str) -> OutOfService:
        """Take the model out of service; what to raise. The first reason stays."""
        # The first is the cause; what fails after it may only follow from that.
        if self.fault is None:
            self.fault = fault
        return OutOfService(self.label, self.fault)
