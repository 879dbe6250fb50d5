"""The default model: a milling machine's failure alarm, simulated, fitted, exported, checked.

Simulating needs numpy only; :func:`train` needs the extra ``train``.
"""

from ifonly.models.training.alarms import held_out_alarms
from ifonly.models.training.milling import Simulation, carry_out, simulate
from ifonly.models.training.package import TrainingReport, train

__all__ = [
    "Simulation",
    "TrainingReport",
    "carry_out",
    "held_out_alarms",
    "simulate",
    "train",
]
