"""Pages of whoever answers for models: what is served, why, and how it came here."""
