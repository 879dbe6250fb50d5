"""Engines that look for counterfactuals. They propose; ``ifonly.explainers.verify`` decides."""
