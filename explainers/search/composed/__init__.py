"""Branch and bound over boxes of rows, of graphs that are bounded node by node."""
