"""How good a deployed model's decisions were on rows of which somebody knows what happened."""

from ifonly.models.quality.curves import Calibration, CalibrationBin, PrecisionRecall
from ifonly.models.quality.labelled import LabelledRows, labelled_csv, read_labelled
from ifonly.models.quality.measure import ModelQuality, NotMeasured, quality_of

__all__ = [
    "Calibration",
    "CalibrationBin",
    "LabelledRows",
    "ModelQuality",
    "NotMeasured",
    "PrecisionRecall",
    "labelled_csv",
    "quality_of",
    "read_labelled",
]
