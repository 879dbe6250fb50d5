"""The child of :func:`ifonly.service.offline.discovery.run.discover`: graph after graph until
killed.

Run by path, by any Python that has numpy, causal-learn and lingam: it imports nothing of ours.
``worker.py ALGORITHM RUNS SEED``; standard input is an ``.npz`` with ``rows`` ``(n, d)``, and
``forbidden`` ``(d, d)``, true where the row's column may not act on the column's. Every line of
standard output is a JSON list of ``[cause, effect]``; an edge without direction stands both ways.
The first graph is that of all rows, the others are of rows drawn with replacement.
"""

from __future__ import annotations

import importlib.metadata
import io
import json
import os
import sys
import warnings
from typing import Any

import numpy as np

os.environ.setdefault("OMP_NUM_THREADS", "1")
_PENALTY, _LEAST_WEIGHT = 0.01, 0.3
"""Of NOTEARS: see :func:`_notears`; 0.3 is its authors' own."""


def main() -> None:
    lines = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)  # what the libraries print must not come between the lines
    warnings.simplefilter("ignore")
    algorithm, runs, seed = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])
    given = np.load(io.BytesIO(sys.stdin.buffer.read()), allow_pickle=False)
    rows, forbidden = given["rows"], given["forbidden"]
    find, package = _ALGORITHMS[algorithm]
    try:
        version = importlib.metadata.version(package)
    except importlib.metadata.PackageNotFoundError:
        sys.exit(f"{package} is not installed (extra `discovery`)")
    print(json.dumps(f"{package} {version}"), file=lines, flush=True)
    rng = np.random.default_rng(seed)
    for run in range(runs):
        drawn = rows if run == 0 else rows[rng.integers(0, len(rows), len(rows))]
        # Flushed each time: whoever kills this process keeps what was found.
        print(json.dumps(find(drawn, forbidden)), file=lines, flush=True)


def _standard(rows: Any) -> Any:
    return (rows - rows.mean(axis=0)) / rows.std(axis=0)


def _pc(rows: Any, forbidden: Any) -> list[list[int]]:
    """Spirtes and Glymour 1991, Fisher's z at 0.01."""
    from causallearn.graph.GraphNode import GraphNode
    from causallearn.search.ConstraintBased.PC import pc
    from causallearn.utils.PCUtils.BackgroundKnowledge import BackgroundKnowledge

    names = [f"X{j + 1}" for j in range(rows.shape[1])]
    known = BackgroundKnowledge()
    for i, j in np.argwhere(forbidden).tolist():
        known.add_forbidden_by_node(GraphNode(names[i]), GraphNode(names[j]))
    found = pc(_standard(rows), 0.01, background_knowledge=known, show_progress=False)
    return _arcs(found.G.graph)


def _ges(rows: Any, forbidden: Any) -> list[list[int]]:
    """Chickering 2002, BIC. It takes no knowledge: the caller drops what is forbidden."""
    from causallearn.search.ScoreBased.GES import ges

    return _arcs(ges(_standard(rows))["G"].graph)


def _arcs(ends: Any) -> list[list[int]]:
    """Of causal-learn's matrix of edge ends: -1 a tail, 1 an arrow at the row's node."""
    d = len(ends)
    return [
        [i, j]
        for i in range(d)
        for j in range(d)
        if i != j and ends[i, j] == -1 and ends[j, i] in (1, -1)
    ]


def _lingam(rows: Any, forbidden: Any) -> list[list[int]]:
    """Shimizu et al. 2011, with adaptive lasso."""
    from lingam import DirectLiNGAM

    knowledge = np.where(forbidden.T, 0, -1)  # [effect, cause]
    np.fill_diagonal(knowledge, -1)
    model = DirectLiNGAM(prior_knowledge=knowledge if forbidden.any() else None)
    weights = model.fit(_standard(rows)).adjacency_matrix_
    return [[int(i), int(j)] for j, i in np.argwhere(np.abs(weights) > 0.05)]


def _notears(rows: Any, forbidden: Any) -> list[list[int]]:
    """Zheng et al. 2018, linear, in the units given but for one common factor."""
    return _continuous((rows - rows.mean(axis=0)) / rows.std(axis=0).mean(), forbidden)


def _notears_standardised(rows: Any, forbidden: Any) -> list[list[int]]:
    return _continuous(_standard(rows), forbidden)


def _continuous(rows: Any, forbidden: Any) -> list[list[int]]:
    """Least squares plus a lasso, subject to ``tr(exp(W * W)) == d``, by augmented Lagrangian."""
    from scipy.linalg import expm
    from scipy.optimize import minimize

    n, d = rows.shape
    covariance = rows.T @ rows / n
    allowed = ~(forbidden | np.eye(d, dtype=bool))
    # Weights as positive less negative parts: the lasso's penalty is then smooth (Zheng 2018).
    limits = [(0.0, None if open_ else 0.0) for open_ in allowed.ravel().tolist() * 2]
    state, rho, alpha, before = np.zeros(2 * d * d), 1.0, 0.0, np.inf

    def weights(parts: Any) -> Any:
        return (parts[: d * d] - parts[d * d :]).reshape(d, d)

    def loop(w: Any) -> tuple[float, Any]:
        power = expm(w * w)
        return float(np.trace(power) - d), 2.0 * power.T * w

    def loss(parts: Any) -> tuple[float, Any]:
        w = weights(parts)
        rest = np.eye(d) - w
        h, slope = loop(w)
        value = 0.5 * np.trace(rest.T @ covariance @ rest) + 0.5 * rho * h * h + alpha * h
        gradient = (-covariance @ rest + (rho * h + alpha) * slope).ravel()
        return float(value + _PENALTY * parts.sum()), np.concatenate(
            [gradient + _PENALTY, -gradient + _PENALTY]
        )

    while rho < 1e16:
        state = minimize(loss, state, jac=True, method="L-BFGS-B", bounds=limits).x
        h = loop(weights(state))[0]
        if h <= 1e-8:
            break
        alpha += rho * h
        rho, before = (rho * 10.0 if h > 0.25 * before else rho), h
    return [[int(i), int(j)] for i, j in np.argwhere(np.abs(weights(state)) > _LEAST_WEIGHT)]


_ALGORITHMS = {
    "pc": (_pc, "causal-learn"),
    "ges": (_ges, "causal-learn"),
    "direct-lingam": (_lingam, "lingam"),
    "notears": (_notears, "scipy"),
    "notears-standardised": (_notears_standardised, "scipy"),
}

if __name__ == "__main__":
    main()
