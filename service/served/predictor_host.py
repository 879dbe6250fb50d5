"""The predictor that KServe runs beside an explainer: does it score as our copy does?

``verify`` scores with the model of our own folder. Where another process is the deployed model,
an answer holds only if that process agrees, asked by the protocol that its clients use.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from models.schema import Decision, Task
from service.errors import PredictorUnavailable

TIMEOUT_SECONDS = 10.0
RELATIVE, ABSOLUTE = 1e-4, 1e-6
"""How close two regressions' values must be: float32 against float64, other orders of sums."""


class PredictorHost:
    """Asks ``http://HOST/v1/models/NAME:predict``. Thread-safe."""

    def __init__(self, host: str) -> None:
        # Here, and below: a process that asks no predictor needs no client.
        import httpx

        base = host if "://" in host else f"http://{host}"
        # No proxy of the environment: the predictor is beside us, and readings stay there.
        self._client = httpx.Client(base_url=base, timeout=TIMEOUT_SECONDS, trust_env=False)

    def predict(self, model: str, instances: Sequence[Any]) -> list[Any]:
        """One prediction for each instance, as the predictor puts it.

        Raises
        ------
        PredictorUnavailable
            If it does not answer, or not so many.
        """
        import httpx

        try:
            reply = self._client.post(
                f"/v1/models/{model}:predict", json={"instances": list(instances)}
            )
            found = reply.raise_for_status().json()["predictions"]
        except (httpx.HTTPError, KeyError, TypeError, ValueError) as error:
            raise PredictorUnavailable(type(error).__name__) from error
        if not isinstance(found, list) or len(found) != len(instances):
            raise PredictorUnavailable("it does not answer each instance")
        return found

    def close(self) -> None:
        self._client.close()


def agrees(said: object, ours: Sequence[float], decision: Decision) -> bool:
    """Whether a predictor's word on a row is what our scores of it, ``(n_outputs,)``, mean.

    Predictors say a class by its name or its place, probabilities of all classes or of the
    positive one; of a regression the value.
    """
    decided = int(decision.decide(np.array([ours]))[0])
    match said:
        case str():
            return decided >= 0 and said == decision.class_names[decided]
        case [value] if decision.task is not Task.MULTICLASS:
            return agrees(value, ours, decision)
        case [*shares] if len(shares) == len(decision.classes) and decided >= 0:
            numbers = [s for s in shares if isinstance(s, int | float)]
            if len(numbers) != len(shares):
                return False
            if decision.task is Task.BINARY:
                numbers = [numbers[decision.positive]]
            return int(decision.decide(np.array([numbers], dtype=np.float64))[0]) == decided
        case int() if decision.task is not Task.REGRESSION:  # a bool is one too
            return int(said) == decided
        case int() | float() if decision.task is Task.REGRESSION:
            return bool(np.isclose(said, ours[0], rtol=RELATIVE, atol=ABSOLUTE))
        case float() if decision.task is Task.BINARY:
            return int(decision.decide(np.array([[said]]))[0]) == decided
    return False
