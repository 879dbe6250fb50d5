"""What is kept: the audit chain, its payloads, API keys. One schema, SQLite or PostgreSQL.

``chain`` is pure: how a record is written, hashed and checked. ``journal`` is the one writer of
a process. Everything else reads.
"""
