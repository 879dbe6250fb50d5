"""The ways in: HTTP, KServe, pages, command line.

Each turns what it is given into a question, and the answer into its own form.
"""
