"""Graphs evaluated with sums in place of numbers: what they come to is a network of units."""
