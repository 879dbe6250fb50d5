"""A mixed-integer program, and the only door to HiGHS."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field

import highspy
import numpy as np
import numpy.typing as npt

from ifonly.explainers.deadline import Deadline

Floats = npt.NDArray[np.float64]
Indices = npt.NDArray[np.int64]

COST_UNIT = 1e4
"""HiGHS passes over what is better by less than its tolerance: costs are given to it in units so
small that this is 1e-10."""
LOOSENED = 2e-6
"""How far beyond its rows a program is looked at for what its solver may propose: twice what the
solver itself lets pass."""
GIVEN_SECONDS = 0.001
"""Less than this is not waiting, but the difference between two clocks."""
_OPTIONS: dict[str, bool | int | float | str] = {
    "output_flag": False,
    # One thread and one seed: the same question must get the same answer.
    "threads": 1,
    "random_seed": 0,
    # No relative gap: HiGHS would stop early on dear answers.
    "mip_rel_gap": 0.0,
    "mip_abs_gap": 1e-6,
    # Not tighter: at 1e-9, without presolve, 1 optimum in 234 was lost (docs/decisions/0032).
    # What a loose row lets in is proposed, refused and forbidden; what is kept out is lost.
    "mip_feasibility_tolerance": 1e-6,
    "primal_feasibility_tolerance": 1e-7,
    "dual_feasibility_tolerance": 1e-7,
    "small_matrix_value": 1e-12,
}
_NO_HEURISTICS: dict[str, bool | int | float | str] = {
    "mip_heuristic_effort": 0.0,
    "mip_heuristic_run_feasibility_jump": False,
    "mip_heuristic_run_rens": False,
    "mip_heuristic_run_rins": False,
    "mip_heuristic_run_root_reduced_cost": False,
}
"""Options where a good row is known: HiGHS spent four fifths of its time on looking for others, in
programs within programs, and on restarts (measured on networks of 2 x 16 units)."""
_NONE = (
    highspy.HighsModelStatus.kInfeasible,
    highspy.HighsModelStatus.kUnboundedOrInfeasible,  # nothing here is unbounded
)


@dataclass(frozen=True, eq=False)
class Solved:
    """What is known of a program."""

    values: Floats | None
    """Best values found, ``(n_variables,)``."""
    bound: float
    """The objective is nowhere less; infinity: no values keep all rows."""
    finished: bool
    """Whether ``values`` are the best there are; not, if the deadline came first."""
    nodes: int
    """Nodes of the solver's tree; 0 where there was nothing to branch on."""


@dataclass
class Program:
    """Minimise ``cost @ x`` over bounded numbers, some of them whole, under rows of limits.

    Grows by :meth:`variable` and :meth:`row`.
    """

    presolve: bool = True
    heuristics: bool = True
    """Whether to look for values besides the proof."""
    _cost: list[float] = field(default_factory=list)
    _lower: list[float] = field(default_factory=list)
    _upper: list[float] = field(default_factory=list)
    _whole: list[bool] = field(default_factory=list)
    _rows: list[tuple[Indices, Floats, float, float]] = field(default_factory=list)

    @property
    def n_variables(self) -> int:
        return len(self._cost)

    @property
    def cost(self) -> Floats:
        return np.array(self._cost)

    @property
    def bounds(self) -> tuple[Floats, Floats]:
        """Least and greatest value of each variable."""
        return np.array(self._lower), np.array(self._upper)

    def variable(self, lower: float, upper: float, *, cost: float = 0.0, whole: bool = True) -> int:
        """Add a variable; its number."""
        self._cost.append(cost)
        self._lower.append(lower)
        self._upper.append(upper)
        self._whole.append(whole)
        return len(self._cost) - 1

    def binary(self) -> int:
        return self.variable(0.0, 1.0)

    def row(
        self,
        variables: Sequence[int] | Indices,
        weights: Sequence[float] | Floats,
        lower: float = -math.inf,
        upper: float = math.inf,
    ) -> None:
        """Require ``lower <= weights @ x[variables] <= upper``."""
        self._rows.append(
            (np.asarray(variables, np.int64), np.asarray(weights, np.float64), lower, upper)
        )

    def dense_row(self, weights: Floats, lower: float = -math.inf, upper: float = math.inf) -> None:
        """The same for weights of the first variables, most of them perhaps 0."""
        used = np.flatnonzero(weights)
        self.row(used, weights[used], lower, upper)

    def minimise_only(self, variable: int) -> None:
        """Let nothing else cost anything."""
        # Variables keep their numbers, so solutions are still read in the same way.
        self._cost = [float(number == variable) for number in range(self.n_variables)]

    def solve(self, deadline: Deadline, *, otherwise: bool = False) -> Solved:
        """The best values, or what is known of them when the deadline comes.

        ``otherwise``: by HiGHS's other way, with presolve where it is left out, and without it
        elsewhere, and without heuristics. Each has been seen to lose rows that the other finds
        (decision 0071).
        """
        presolve = "off" if self.presolve == otherwise else "on"
        with_heuristics = self.heuristics and not otherwise
        # A new solver each time: nothing of one question may reach the next.
        solver = highspy.Highs()  # type: ignore[no-untyped-call]
        for option, value in (_OPTIONS | ({} if with_heuristics else _NO_HEURISTICS)).items():
            solver.setOptionValue(option, value)
        solver.setOptionValue("presolve", presolve)
        if deadline.at != math.inf:
            _stop_at(solver, deadline)
        solver.passModel(self._model())
        solver.run()
        return _read(solver)

    def extents(self, variables: Sequence[int], values: Floats, cost: float) -> Floats:
        """Least and greatest value, ``(2, n)``, of each of ``variables`` where all binaries are as
        in ``values``, rows are kept nearly and what it costs is at most ``cost``; NaN where the
        solver cannot tell."""
        lower, upper = self.bounds
        # Pieces are fixed as proposed; steps within them are let go as real numbers.
        is_binary = np.array(self._whole) & (upper - lower <= 1.0)
        lower[is_binary] = upper[is_binary] = np.round(values[is_binary])
        solver = highspy.Highs()  # type: ignore[no-untyped-call]
        solver.setOptionValue("output_flag", False)
        solver.setOptionValue("threads", 1)
        model = self._model()
        model.integrality_ = []
        model.col_lower_, model.col_upper_ = lower, upper
        # Looser than the solver, so that no row that it could propose is outside of the extents.
        model.row_lower_ = np.asarray(model.row_lower_) - LOOSENED
        model.row_upper_ = np.asarray(model.row_upper_) + LOOSENED
        model.col_cost_ = np.zeros(self.n_variables)
        solver.passModel(model)
        used = np.flatnonzero(self.cost)
        limit = cost + LOOSENED * abs(cost)
        solver.addRow(-math.inf, limit, len(used), used.astype(np.int32), self.cost[used])
        found = np.full((2, len(variables)), math.nan)
        for place, variable in enumerate(variables):
            # One factorisation serves all: only costs change, so each
            # run starts from the last basis.
            for side, sign in enumerate((1.0, -1.0)):
                solver.changeColCost(variable, sign)
                solver.run()
                if solver.getModelStatus() == highspy.HighsModelStatus.kOptimal:
                    found[side, place] = sign * float(solver.getInfo().objective_function_value)
            solver.changeColCost(variable, 0.0)
        return found

    def _model(self) -> highspy.HighsLp:
        model = highspy.HighsLp()
        kinds = (highspy.HighsVarType.kContinuous, highspy.HighsVarType.kInteger)
        model.num_col_, model.num_row_ = self.n_variables, len(self._rows)
        model.col_cost_ = COST_UNIT * self.cost
        model.col_lower_, model.col_upper_ = np.array(self._lower), np.array(self._upper)
        model.integrality_ = [kinds[whole] for whole in self._whole]
        model.row_lower_ = np.array([lower for _, _, lower, _ in self._rows])
        model.row_upper_ = np.array([upper for _, _, _, upper in self._rows])
        matrix = model.a_matrix_
        # Row by row, as the program was written: HiGHS turns it itself.
        matrix.format_ = highspy.MatrixFormat.kRowwise
        matrix.num_col_, matrix.num_row_ = model.num_col_, model.num_row_
        matrix.start_ = np.cumsum([0, *(len(v) for v, _, _, _ in self._rows)])
        matrix.index_ = np.concatenate([np.zeros(0, np.int64), *(r[0] for r in self._rows)])
        matrix.value_ = np.concatenate([np.zeros(0), *(r[1] for r in self._rows)])
        return model


def _stop_at(solver: highspy.Highs, deadline: Deadline) -> None:
    """HiGHS looks at its own limit of time everywhere, and asks us now and then. Then it gives way
    to others; its limit is put off by what it waited, for its clock does not stand still."""
    limit = max(0.0, deadline.left())
    solver.setOptionValue("time_limit", limit)

    def look(event: highspy.highs.HighsCallbackEvent) -> None:
        nonlocal limit
        if deadline.expired():
            event.interrupt()
            return
        later = solver.getRunTime() + deadline.left()
        if later > limit + GIVEN_SECONDS:
            limit = later
            solver.setOptionValue("time_limit", limit)

    solver.cbMipInterrupt.subscribe(look)
    solver.cbSimplexInterrupt.subscribe(look)


def _read(solver: highspy.Highs) -> Solved:
    status, info = solver.getModelStatus(), solver.getInfo()
    nodes = max(0, int(info.mip_node_count))
    if status in _NONE:
        return Solved(None, math.inf, True, nodes)
    has_values = info.primal_solution_status == highspy.SolutionStatus.kSolutionStatusFeasible
    values = np.array(solver.getSolution().col_value) if has_values else None
    finished = status == highspy.HighsModelStatus.kOptimal
    # Infinite before the first bound is known, and then it says nothing.
    bound = float(info.mip_dual_bound) / COST_UNIT
    return Solved(values, bound if math.isfinite(bound) else -math.inf, finished, nodes)
