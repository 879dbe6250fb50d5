"""Samples of explanations for review: which are drawn, and what judging them shows of all."""
