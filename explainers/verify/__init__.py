"""The checker: recomputes a published answer from the documents and the deployed model.

It reads ``spec.toml``'s policy, the request and ``causal.toml`` by its own code, evaluates every
limit, the cost, the target and what follows by its own code, and asks the deployed graph. An
import contract (pyproject.toml) bars it from everything that the engines use, and them from it:
a slip there can lose an answer, not publish one that does not hold.

>>> from ifonly.models.schema import Category, Decision, Feature, Kind, Schema, Task
>>> from decimal import Decimal
>>> import numpy as np
>>> torque = Feature("torque", Kind.CONTINUOUS, "Nm", 0.0, 100.0, Decimal("0.1"))
>>> decision = Decision(Task.BINARY, (Category("normal"), Category("failure")), 1, 0.5, desired=0)
>>> policy = {"features": {"torque": {"range": [10, 60], "scale": 10}}}
>>> book = Rulebook.read(policy, Schema((torque,)), decision)
>>> checker = Checker(book.terms(Asked()), (62.7,), lambda rows: rows / 100.0)
>>> checker.check(Proposal((49.9,))).holds
True
>>> checker.check(Proposal((9.95,))).reasons
('grid: torque = 9.95, steps of 0.1 in [0.0, 100.0]', \
'policy.features.torque.range: is set within [10.0, 60.0]; torque = 9.95')
"""

from ifonly.explainers.verify.checker import Checker
from ifonly.explainers.verify.drafts import Proposal
from ifonly.explainers.verify.report import Check, Report
from ifonly.explainers.verify.rulebook import Asked, Rulebook, Terms

__all__ = ["Asked", "Check", "Checker", "Proposal", "Report", "Rulebook", "Terms"]
