"""Branch and bound for networks of units."""
