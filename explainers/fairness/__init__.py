"""Is recourse fair? Tests of groups, corrected for their number, and twins under a causal model."""
