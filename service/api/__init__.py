"""The HTTP edge: wire types, their translation, routes, and what a refusal looks like."""
