"""Exact search over tree ensembles: branch and bound on boxes of settable values."""
