"""Everything that touches the world: HTTP, command line, settings, logs, the folder of models."""
