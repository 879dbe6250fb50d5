"""Engines that look for counterfactuals. They propose; ``explainers.verify`` decides."""
