"""Which readings alone force a decision, and which count most."""
