"""One question, from its reading to its reply: no HTTP, no store."""
