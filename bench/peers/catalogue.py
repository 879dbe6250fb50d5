"""Which libraries, in which versions, used in which ways, for how long."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Environment:
    """A virtual environment of its own; without packages, the one that runs the benchmark."""

    name: str
    packages: tuple[str, ...] = ()
    least_python: tuple[int, int] = (3, 11)


HERE = Environment("ifonly")
DICE = Environment(
    "dice",
    (
        "dice-ml==0.12",
        "numpy==2.4.6",
        "pandas==3.1.1",
        "scikit-learn==1.9.1",
        "xgboost==3.2.0",
        "onnxruntime==1.31.1",
    ),
)
NICE = Environment(
    "nice",
    ("NICEx==0.2.3", "numpy==1.26.4", "pandas==1.5.3", "scipy==1.15.3", "onnxruntime==1.31.1"),
)
TREECF = Environment(
    "treecf",
    (
        "treecf==0.3.2",
        "numpy==2.4.6",
        "xgboost-cpu==3.2.0",
        "lightgbm==4.7.0",
        "scikit-learn==1.9.1",
        "joblib==1.6.0",
    ),
)
OCEAN = Environment(
    "ocean",
    (
        "oceanpy==2.0.7",
        "ortools==9.14.6206",
        "numpy==2.5.5",
        "pandas==3.1.1",
        "scikit-learn==1.9.1",
        "xgboost==3.2.0",
    ),
    least_python=(3, 12),
)
DOWHY = Environment(
    "dowhy", ("dowhy==0.14", "numpy==2.4.6", "scipy==1.15.3", "onnxruntime==1.31.1")
)
"""The oracle of the causal layer; no use below, for it searches nothing."""


@dataclass(frozen=True)
class Use:
    """One way to use a library: a line of the table."""

    method: str
    environment: Environment
    package: str
    seconds: float
    """Most wall time a question. A library that is not done by then is stopped."""
    stops_itself: bool = False
    """Whether it is told the time; it then gets a grace before it is killed."""
    is_slow: bool = False
    """Asked only a few of the rows."""

    @property
    def seconds_until_killed(self) -> float:
        return 1.5 * self.seconds + 5.0 if self.stops_itself else self.seconds


USES = (
    Use("ours", HERE, "ifonly", 1.0, stops_itself=True),
    Use("ours-blackbox", HERE, "ifonly", 10.0, stops_itself=True),
    Use("treecf-exact", TREECF, "treecf", 10.0, stops_itself=True),
    Use("treecf-heuristic", TREECF, "treecf", 10.0, stops_itself=True),
    Use("nice-proximity", NICE, "nicex", 10.0),
    Use("nice-sparsity", NICE, "nicex", 10.0),
    Use("dice-genetic", DICE, "dice-ml", 10.0),
    Use("dice-random", DICE, "dice-ml", 10.0),
    Use("dice-kdtree", DICE, "dice-ml", 10.0),
    Use("ocean-cp", OCEAN, "oceanpy", 60.0, stops_itself=True, is_slow=True),
)
