"""Merkle trees that grow: tiles of 256 hashes, and proofs made from them (RFC 6962, 2.1).

Tile ``(level, number)`` holds the hashes of complete subtrees of ``256 ** level`` leaves, from
number ``256 * number`` on; the last of a level may be shorter. So a tree of n leaves is about
n/256 rows of a table, a batch touches one row a level, and a node is folded from one tile.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping

from ifonly.service.transparency.verifier import HASH_BYTES, node_hash

# As C2SP tlog-tiles has it: a batch touches few rows, and a proof reads one tile a level.
TILE = 256
TILE_HEIGHT = 8

Place = tuple[int, int]
"""Level and number of a tile."""


class Tree:
    """The nodes of a tree, read from its tiles; each tile and node once.

    ``tile`` gives the hashes of a tile, 32 bytes each, at least as many as the tree has there.
    """

    def __init__(self, tile: Callable[[Place], bytes]) -> None:
        self._tile = tile
        # Proofs of one tree share most of their nodes, and each tile is a query.
        self._tiles: dict[Place, bytes] = {}
        self._nodes: dict[Place, bytes] = {}

    def node(self, height: int, number: int) -> bytes:
        """The root of the complete subtree of ``2 ** height`` leaves, the number-th of its kind.

        Raises
        ------
        KeyError
            If the tree has it not.
        """
        level, above = divmod(height, TILE_HEIGHT)
        # Only these heights are stored; the seven between are folded from a tile.
        if above == 0:
            return self._stored(level, number)
        found = self._nodes.get((height, number))
        if found is None:
            left = self.node(height - 1, 2 * number)
            found = node_hash(left, self.node(height - 1, 2 * number + 1))
            self._nodes[height, number] = found
        return found

    def tile(self, place: Place) -> bytes:
        """The hashes of a tile."""
        if place not in self._tiles:
            self._tiles[place] = self._tile(place)
        return self._tiles[place]

    def _stored(self, level: int, number: int) -> bytes:
        at = number % TILE * HASH_BYTES
        found = self.tile((level, number // TILE))[at : at + HASH_BYTES]
        # A short slice would hash into a root that looks right and is not.
        if len(found) != HASH_BYTES:
            raise KeyError((level, number))
        return found

    def root(self, size: int) -> bytes:
        """Of the first ``size`` leaves, one at least."""
        return self._range(0, size)

    def _range(self, first: int, end: int) -> bytes:
        """MTH of leaves ``first`` to ``end``, where ``first`` is a multiple of a power of two no
        smaller than their number."""
        count = end - first
        # A complete subtree has its node stored, so nothing below it is read.
        if count & (count - 1) == 0:
            height = count.bit_length() - 1
            return self.node(height, first >> height)
        middle = first + _split(count)
        return node_hash(self._range(first, middle), self._range(middle, end))

    def inclusion(self, index: int, size: int) -> list[bytes]:
        """PATH(index, D[size]): from the leaf up.

        Raises
        ------
        ValueError
            If there is no such leaf.
        """
        if not 0 <= index < size:
            raise ValueError(f"leaf {index} is not in a tree of {size}")
        path, first, end = [], 0, size
        while end - first > 1:
            middle = first + _split(end - first)
            if index < middle:
                path.append(self._range(middle, end))
                end = middle
            else:
                path.append(self._range(first, middle))
                first = middle
        # From the leaf up, the order in which a verifier folds them (RFC 9162, 2.1.3.2).
        return path[::-1]

    def consistency(self, old: int, new: int) -> list[bytes]:
        """PROOF(old, D[new]); of nothing, and of the same tree, the proof is empty.

        Raises
        ------
        ValueError
            If the old tree is the larger one.
        """
        if not 0 <= old <= new:
            raise ValueError(f"a tree of {new} does not begin with one of {old}")
        # Nothing has to be shown: RFC 9162, 2.1.4 leaves both cases without a path.
        if old in (0, new):
            return []
        path, first, end = [], 0, new
        while end != old:
            middle = first + _split(end - first)
            if old <= middle:
                path.append(self._range(middle, end))
                end = middle
            else:
                path.append(self._range(first, middle))
                first = middle
        # Of an old tree that is one whole subtree the verifier has the root (RFC 9162, 2.1.4.1).
        if first:
            path.append(self._range(first, end))
        return path[::-1]


def _split(count: int) -> int:
    """The largest power of two below ``count``."""
    # RFC 9162, 2.1.1 splits at k, the largest power of two smaller than n: for n = 8 it is 4.
    return 1 << (count - 1).bit_length() - 1


def last_tiles(size: int) -> list[Place]:
    """The tiles of a tree that are not full yet: what must be read before it grows."""
    found, level = [], 0
    # Full tiles never change again, so growing reads one row a level.
    while size >> (TILE_HEIGHT * level):
        count = size >> (TILE_HEIGHT * level)
        if count % TILE:
            found.append((level, count // TILE))
        level += 1
    return found


def hashes_in(place: Place, size: int) -> int:
    """How many hashes a tile has in a tree of ``size`` leaves."""
    level, number = place
    return max(0, min(TILE, (size >> (TILE_HEIGHT * level)) - number * TILE))


def grown(size: int, last: Mapping[Place, bytes], leaves: Iterable[bytes]) -> dict[Place, bytes]:
    """The tiles that change as ``leaves`` (their hashes) come to a tree of ``size`` leaves.

    ``last`` holds the tiles of :func:`last_tiles`.
    """
    changed: dict[Place, bytearray] = {}

    def append(level: int, number: int, hashed: bytes) -> None:
        place = (level, number // TILE)
        tile = changed.get(place)
        if tile is None:
            # A tile that begins now has nothing to be read.
            tile = changed[place] = bytearray(last[place] if number % TILE else b"")
        tile += hashed
        if number % TILE == TILE - 1:
            # A full tile's root is one hash of the level above.
            append(level + 1, number // TILE, fold(tile))

    for number, leaf in enumerate(leaves, size):
        append(0, number, leaf)
    return {place: bytes(tile) for place, tile in changed.items()}


def fold(tile: bytes | bytearray) -> bytes:
    """The root of a full tile."""
    hashes = [bytes(tile[k : k + HASH_BYTES]) for k in range(0, len(tile), HASH_BYTES)]
    while len(hashes) > 1:
        pairs = zip(hashes[::2], hashes[1::2], strict=True)
        hashes = [node_hash(left, right) for left, right in pairs]
    return hashes[0]


class Roots:
    """Roots of a tree whose leaves come one after the other: what a check of all of them needs.
    Holds one hash a level."""

    def __init__(self) -> None:
        self.size = 0
        self._peaks: list[tuple[int, bytes]] = []

    def append(self, leaf: bytes) -> None:
        """``leaf`` is its hash."""
        height, hashed = 0, leaf
        # Two subtrees of one height are one of the next, as a binary counter carries.
        while self._peaks and self._peaks[-1][0] == height:
            hashed = node_hash(self._peaks.pop()[1], hashed)
            height += 1
        self._peaks.append((height, hashed))
        self.size += 1

    @property
    def root(self) -> bytes:
        """Of the leaves so far, one at least."""
        found = self._peaks[-1][1]
        # From the smallest up: the tree is left-leaning, so the largest subtree is hashed last.
        for _, peak in reversed(self._peaks[:-1]):
            found = node_hash(peak, found)
        return found
