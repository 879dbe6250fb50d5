"""What Helm makes of a chart (its folder) with each of some values (a JSON list of objects)."""

import json
import sys
from typing import Any

import helm_python as helm


def rendered(chart: Any, values: dict[str, object]) -> dict[str, object]:
    try:
        chart.validate_schema(values)
        return {"files": chart.render(values, name="ifonly", namespace="ifonly")}
    except helm.HelmError as error:
        return {"error": str(error)}


path = sys.argv[1]
with helm.Chart.load(path) as loaded:
    told = [rendered(loaded, values) for values in json.loads(sys.argv[2])]
print(json.dumps({"told": told, "lint": helm.lint(path, strict=True)}))
