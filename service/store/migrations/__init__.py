"""Alembic's folder: ``env.py`` is run by it, ``versions/`` are the steps, oldest first."""
