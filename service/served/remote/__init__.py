"""Predictors in other processes: one way to ask, one module a protocol.

``remote`` asks, ``batching`` joins what several questions ask at once, ``calling`` tries again and
breaks the circuit, ``http`` and ``rpc`` carry, ``kserve``, ``open_inference`` and ``mlflow`` write
rows and read words.
"""
