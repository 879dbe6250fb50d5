"""Draw the README's picture: one alarm of the default model, and the way out.

python -m bench.picture docs/images/first-alarm.png
"""

from __future__ import annotations

import sys
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.colors import LinearSegmentedColormap

from explainers.answer import Recourse
from explainers.explain import explain
from explainers.policy import Policy
from explainers.search.portfolio import engines_for
from models.repository import load_folder

FOLDER = Path(__file__).resolve().parent.parent / "models/artifacts/milling-machine/1"
SHADES = LinearSegmentedColormap.from_list("alarm", ["#f4f7f5", "#f6d9c4", "#d9694a"])


def main(path: Path) -> None:
    model = load_folder(FOLDER)
    spec = model.spec
    policy = Policy.read(spec.policy, spec.schema, spec.decision, reference=model.reference)
    factual = model.examples[0].row
    problem = policy.problem(factual)
    answer = explain(problem, model.predictor, engine=engines_for(model.form, spec.schema))
    assert isinstance(answer, Recourse)
    torque, speed = spec.schema.index("torque"), spec.schema.index("rotational_speed")
    torques, speeds = np.linspace(20.0, 76.6, 284), np.linspace(1168, 1900, 245)
    rows = np.repeat(factual[None, :], torques.size * speeds.size, axis=0)
    rows[:, torque], rows[:, speed] = (a.ravel() for a in np.meshgrid(torques, speeds))
    shape = (speeds.size, torques.size)
    chance = model.predictor.score(rows)[:, 0].reshape(shape)
    rules = [c for c in problem.constraints if type(c).__name__ == "Rule"]
    kept = np.logical_and.reduce([c.holds(rows, factual) for c in rules]).reshape(shape)

    figure, axes = plt.subplots(figsize=(8.0, 4.4), dpi=130, layout="constrained")
    shades = axes.pcolormesh(torques, speeds, chance, cmap=SHADES, vmin=0, vmax=1, rasterized=True)
    threshold = spec.decision.threshold
    assert threshold is not None
    axes.contour(torques, speeds, chance, levels=[threshold], colors="#7c2d12", linewidths=1.4)
    axes.contourf(torques, speeds, ~kept, levels=[0.5, 1.5], colors="none", hatches=["////"])
    found = np.array(answer.counterfactuals[0].row)
    span = answer.counterfactuals[0].actions[0].sufficient_range
    assert span is not None
    axes.plot(
        [max(span[0], 20.0), span[1]], [factual[speed]] * 2, color="#166534", lw=5, alpha=0.45
    )
    axes.annotate(
        "",
        (found[torque], found[speed]),
        (factual[torque], factual[speed]),
        arrowprops={"arrowstyle": "-|>", "lw": 2, "color": "#1f2937", "shrinkA": 6, "shrinkB": 4},
    )
    axes.plot(*factual[[torque, speed]], "o", ms=9, color="#b91c1c", mec="white", label="the alarm")
    axes.plot(
        *found[[torque, speed]],
        "D",
        ms=8,
        color="#166534",
        mec="white",
        label="no alarm, proven least",
    )
    axes.plot([], [], color="#166534", lw=5, alpha=0.45, label="would do as well")
    axes.plot([], [], color="#7c2d12", lw=1.4, label=f"the model's threshold, {threshold:g}")
    axes.fill_between([], [], [], hatch="////", fc="none", ec="#374151", lw=0, label="not allowed")
    axes.set(xlabel="torque [Nm]", ylabel="rotational speed [rpm]")
    axes.legend(loc="upper left", fontsize=8.5, framealpha=0.95)
    figure.colorbar(shades, label="probability of a failure")
    path.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path, metadata={"Software": None})


if __name__ == "__main__":
    main(Path(sys.argv[1]))
