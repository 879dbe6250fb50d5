"""Attacks on a store or a service of their own: what is found, and what is not."""
