"""The deployed ONNX model for libraries that ask it: the same graph for everyone, counted."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import numpy.typing as npt
import onnxruntime

from bench.study import StudySetup

Matrix = npt.NDArray[np.float64]


class PeerScorer:
    """Rows of codes to the deployed model's score, and to a probability that decides at 0.5."""

    def __init__(self, study: StudySetup) -> None:
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = options.inter_op_num_threads = 1
        self._session = onnxruntime.InferenceSession(
            str(Path(study.folder) / "model.onnx"), options, providers=["CPUExecutionProvider"]
        )
        (source,) = self._session.get_inputs()
        self._input = source.name
        self._dtype = np.float64 if "double" in source.type else np.float32
        self._study = study
        self.rows = 0

    def score(self, rows: Matrix) -> Matrix:
        """``(n,)``"""
        self.rows += len(rows)
        matrix = self._study.encode(np.asarray(rows, dtype=np.float64)).astype(self._dtype)
        (scores,) = self._session.run(None, {self._input: matrix})
        return np.asarray(scores, dtype=np.float64)[:, -1]

    def probabilities(self, rows: Matrix) -> Matrix:
        """``(n, 2)``: of the unwanted and of the wanted side, at least 0.5 for what is decided.

        Libraries decide by the larger probability; the deployed decision has its own threshold.
        So the score is stretched on either side of that: the order of rows stays.
        """
        score, limit = self.score(rows), self._study.threshold
        if self._study.task == "regression":
            above = 1.0 / (1.0 + np.exp(-(score - limit) / max(abs(limit), 1e-9) * 10.0))
        else:
            above = np.where(
                score < limit, 0.5 * score / limit, 0.5 + 0.5 * (score - limit) / (1 - limit)
            )
        above = np.where(score < limit, np.minimum(above, np.nextafter(0.5, 0.0)), above)
        above = np.where(score >= limit, np.maximum(above, np.nextafter(0.5, 1.0)), above)
        wanted = 1.0 - above if self._study.wants_below else above
        return np.column_stack([1.0 - wanted, wanted])
