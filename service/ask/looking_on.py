"""How far a page looks on when a lever is set: until all has arrived, and a little more."""

from __future__ import annotations

import math

import numpy as np

from ifonly.explainers.causal.errors import CausalError
from ifonly.explainers.causal.timing import MOST_STEPS
from ifonly.service.ask import read_request
from ifonly.service.ask.question import Rung
from ifonly.service.served.registry import ServedModel
from ifonly.service.wire import requests

MORE = 1.25
"""Times of what the whole effect takes, so that it is seen to stay."""
LEAST_STEPS = 4


def looks_on(model: ServedModel, request: requests.WhatIfRequest) -> requests.Over | None:
    """What a page asks for as ``over``; None where nothing arrives later, or nobody says when.

    Raises
    ------
    InvalidRequest
        If the instance or what is set does not fit the model.
    """
    causal = model.causal
    if causal is None or causal.spec.step is None or request.rung != Rung.COUNTERFACTUAL.value:
        return None
    factual = read_request.instance(request.instance, model)
    settings = read_request.settings(request.set_, model)
    values = np.array([*settings.values()])
    try:
        when = causal.timed().arrivals(factual, [*settings], values)
    except CausalError:
        return None
    # What never ends is looked at until it has been round once.
    last = max((begin if end is None else end for begin, end in when.values()), default=0)
    if last == 0:
        return None
    steps = min(max(math.ceil(MORE * last), LEAST_STEPS), MOST_STEPS)
    step = causal.spec.step
    return requests.Over.model_validate({step.unit.value: float(step.amount * steps)})
