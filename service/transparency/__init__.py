"""The audit trail as a transparency log: Merkle trees, signed heads, proofs. No store, no server.

:mod:`.verifier` checks and shares nothing with the rest of ifonly, so that it can go into a bundle
of evidence as it is; :mod:`.merkle` and :mod:`.signing` make what it checks.
"""
