"""The libraries that ifonly is measured against, each run in its own environment."""
