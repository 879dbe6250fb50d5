"""What is asked beside an answer, of the same engine, checker and budget as the answer itself."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace

from ifonly.explainers.answer import Counterfactual, Work
from ifonly.explainers.constraints import Constraint
from ifonly.explainers.deadline import Deadline
from ifonly.explainers.errors import NotEligible
from ifonly.explainers.inquiry import NEVER, Inquiry, scored_by, unheard
from ifonly.explainers.problem import Problem
from ifonly.explainers.search.engine import AT_HAND, NOBODY, Effort, Engine, Meter, SearchOutcome
from ifonly.explainers.transcript import terms_of
from ifonly.explainers.verify import Checker, Terms
from ifonly.explainers.watch import Watch, unwatched
from ifonly.models.predictor import Predictor
from ifonly.models.rounding import rounding_of

Best = tuple[Counterfactual | None, float | None]
"""The cheapest that was found, and what nothing costs less than: infinity is a proof that there is
none, None is not known."""


@dataclass
class Beside:
    """One question, and whoever is asked further ones about it."""

    problem: Problem
    checker: Checker
    asking: Inquiry
    deadline_hit: bool = False

    @classmethod
    def of(
        cls,
        problem: Problem,
        predictor: Predictor,
        before: Work,
        *,
        engine: Engine,
        deadline: Deadline = NEVER,
        watch: Watch = unwatched,
        terms: Terms | None = None,
        effort: Effort = AT_HAND,
        doubted: Callable[[str], object] = unheard,
    ) -> Beside:
        """As of :func:`ifonly.explainers.explain.explain`; ``before`` is what the answer took."""
        asked = replace(problem, alternatives=1)
        terms = terms_of(asked) if terms is None else terms
        if effort.most_runs is not None:
            # One budget for the whole question: what the answer took is spent.
            effort = replace(effort, most_runs=max(0, effort.most_runs - before.runs))
        meter = Meter(predictor, deadline, effort=effort)
        checker = Checker(terms, tuple(problem.factual.tolist()), scored_by(predictor, meter))
        asking = Inquiry(engine, meter, deadline, watch, rounding_of(predictor), doubted)
        return cls(asked, checker, asking)

    def until(self, deadline: Deadline) -> None:
        """What is asked from now on is asked until then."""
        self.asking.deadline = deadline
        self.asking.meter = self.asking.meter.until(deadline)

    def best(
        self,
        constraints: Sequence[Constraint],
        terms: Terms,
        known: Iterable[Counterfactual],
        *,
        is_ranged: bool = True,
    ) -> Best:
        """The cheapest answer that keeps ``constraints`` too; ``terms`` say the same to the
        checker. A claim that there is none is held against what is ``known``.

        Raises
        ------
        NotEligible
            If no engine can keep them.
        """
        if self.asking.meter.is_spent or self.asking.deadline.expired():
            self.deadline_hit |= self.asking.deadline.expired()
            return None, None
        tightened = replace(self.problem, constraints=(*self.problem.constraints, *constraints))
        checker = self.checker.under(terms)
        found, outcome = self.asking.best(tightened, checker, tightened if is_ranged else None)
        self.deadline_hit |= outcome.deadline_hit
        if outcome.engine == NOBODY:
            raise NotEligible(NOBODY, "no engine keeps all that is asked")
        if found is not None:
            return found, found.lower_bound
        bound = outcome.lower_bound if not len(outcome.candidates) else None
        return None, bound if bound != math.inf or self._is_unrefuted(checker, known) else None

    def _is_unrefuted(self, checker: Checker, known: Iterable[Counterfactual]) -> bool:
        """Whether no answer that is at hand refutes that there is none."""
        # A check tries some readings of a box: it is no proof that all of them will do.
        if checker.terms.survival != self.checker.terms.survival:
            return True
        rows = [one.action_on(self.problem.factual).tolist() for one in known]
        refuted = checker.contradicted(math.inf, rows)
        if refuted is not None:
            self.asking.reject(refuted.row, ("none was claimed, and it holds",))
        return refuted is None

    def work(self, engine: str) -> Work:
        """What it took."""
        nothing = replace(SearchOutcome.none(self.problem), engine=engine)
        return self.asking.work(nothing, self.deadline_hit)


def together(one: Work, other: Work) -> Work:
    """The work of an answer, and of what was asked beside it."""
    return replace(
        one,
        rows=one.rows + other.rows,
        runs=one.runs + other.runs,
        nodes=one.nodes + other.nodes,
        deadline_hit=one.deadline_hit or other.deadline_hit,
        rejected=(*one.rejected, *other.rejected),
        is_spent=one.is_spent or other.is_spent,
    )
