"""The deployed model: what it is and how it is scored. Knows nothing of explanations."""
