"""Attacks on a service of one's own: what must hold under each is said where it is measured."""
