"""The settings in the Helm chart's ``values.schema.json``, from the service's own.

    python -m bench.chart_schema [--check]

The rest of the file is written by hand, and stays as it is.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

from bench.generated import main
from ifonly.service.settings import Settings

SCHEMA = Path(__file__).parents[1] / "deploy/helm/ifonly/values.schema.json"
OF_THE_CHART = {"host", "port", "models", "no_auth"}
"""Said by the image or by other values."""
_KEPT = ("type", "enum", "minimum", "maximum", "exclusiveMinimum", "items", "additionalProperties")


def settings() -> dict[str, Any]:
    """JSON Schema of every setting that is not a secret: those come from a Secret."""
    described = Settings.model_json_schema()["properties"]
    fields = {name: _plain(field) for name, field in described.items() if name not in OF_THE_CHART}
    return {name: schema for name, schema in fields.items() if schema is not None}


def _plain(field: dict[str, Any]) -> dict[str, Any] | None:
    """Without null, which is not to be said at all; None: a secret, or one with secrets in it."""
    if '"writeOnly": true' in json.dumps(field):
        return None
    options = [o for o in field.get("anyOf", [field]) if o.get("type") != "null"]
    plain = [{key: option[key] for key in _KEPT if key in option} for option in options]
    return plain[0] if len(plain) == 1 else {"anyOf": plain}


def written(text: str) -> str:
    """The file as it should be."""
    schema = json.loads(text)
    schema["properties"]["settings"]["properties"] = settings()
    return json.dumps(schema, indent=2, ensure_ascii=False) + "\n"


if __name__ == "__main__":
    sys.exit(main("chart_schema", SCHEMA, written))
