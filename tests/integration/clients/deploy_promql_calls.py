"""What PromQL expressions (a JSON list of texts) ask for, by a parser of Prometheus's grammar."""

import json
import sys

import promql_parser as promql


def asked(text: str) -> dict[str, object]:
    """Metrics with the labels that they must have, and by which labels is summed."""
    selected: list[tuple[str, list[str]]] = []
    by: set[str] = set()

    def see(node: promql.Expr) -> None:
        if isinstance(node, promql.MatrixSelector):
            node = node.vector_selector
        if isinstance(node, promql.VectorSelector):
            selected.append((node.name, [m.name for m in node.matchers.matchers]))
        if isinstance(node, promql.AggregateExpr) and node.modifier is not None:
            by.update(node.modifier.labels)

    try:
        promql.walk(promql.parse(text), see)
    except ValueError as error:
        return {"error": str(error)}
    return {"selected": selected, "by": sorted(by)}


print(json.dumps({"told": [asked(text) for text in json.loads(sys.argv[1])]}))
