"""Was the recourse that a model's explanations gave possible, fair and proven? Counted."""
