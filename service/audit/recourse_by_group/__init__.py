"""Was the recourse that a model gives possible, fair and proven? Counted by group, of what was
recorded and of rows asked anew: one definition of a case, a group, its outcomes and intervals."""
