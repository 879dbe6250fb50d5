"""Graphs proposed from rows by the libraries made for it, in a process that can be killed."""

from ifonly.service.offline.discovery.run import ALGORITHMS, Discovered, DiscoveryFailed, discover

__all__ = ["ALGORITHMS", "Discovered", "DiscoveryFailed", "discover"]
