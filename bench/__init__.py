"""Measurements: ratios and counts, each by one command. Not part of the tests."""
