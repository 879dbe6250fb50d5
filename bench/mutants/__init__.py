"""Faults planted by machine, and what becomes of the answers: ``python -m bench.mutants``."""
