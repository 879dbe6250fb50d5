"""The default model: a milling machine's failure alarm, simulated, fitted, exported, checked.

Simulating needs numpy only; :func:`train` needs the extra ``train``.
"""

from models.training.alarms import held_out_alarms
from models.training.milling import Simulation, carry_out, simulate
from models.training.package import TrainingReport, train

__all__ = [
    "Simulation",
    "TrainingReport",
    "carry_out",
    "held_out_alarms",
    "simulate",
    "train",
]
