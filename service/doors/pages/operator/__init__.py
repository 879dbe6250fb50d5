"""The operator's pages: recent predictions, one alarm, and what would clear it."""
