"""Experiments on advice: sealed, assigned, followed up, stopped; all of it records."""
