"""Trees that grow in batches are those of the recursive definition; proofs prove that and nothing
else."""

from __future__ import annotations

import hashlib
from functools import cache

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ifonly.service.transparency.merkle import Roots, Tree, grown, last_tiles
from ifonly.service.transparency.verifier import NotProven, check_consistency, check_inclusion

LARGEST = 70_000
LEAVES = [hashlib.sha256(b"%d" % k).digest() for k in range(LARGEST)]
"""Hashes of leaves: what they are hashes of makes no difference."""


@cache
def defined(first: int, end: int) -> bytes:
    """MTH by the letter of RFC 6962, 2.1, of hashed leaves."""
    count = end - first
    if count == 1:
        return LEAVES[first]
    split = 1
    while 2 * split < count:
        split *= 2
    halves = defined(first, first + split) + defined(first + split, end)
    return hashlib.sha256(b"\x01" + halves).digest()


def grow(batches: list[int]) -> tuple[Tree, int]:
    tiles: dict[tuple[int, int], bytes] = {}
    size = 0
    for count in batches:
        last = {place: tiles[place] for place in last_tiles(size)}
        tiles |= grown(size, last, LEAVES[size : size + count])
        size += count
    return Tree(tiles.__getitem__), size


@pytest.fixture(scope="module")
def large() -> Tree:
    """Of three levels of tiles."""
    return grow([255, 1, 1, 10_000, LARGEST - 10_257])[0]


sizes = st.integers(1, 600) | st.integers(65_000, LARGEST)


@given(st.lists(st.integers(1, 300), min_size=1, max_size=12))
def test_a_tree_that_grew_in_batches_is_that_of_the_definition(batches: list[int]) -> None:
    tree, size = grow(batches)
    assert tree.root(size) == defined(0, size)


def test_a_large_tree_is_that_of_the_definition(large: Tree) -> None:
    whole = Roots()
    for size, leaf in enumerate(LEAVES, 1):
        whole.append(leaf)
        if size % 7_919 == 0 or size in (256, 257, 65_536, 65_537, LARGEST):
            assert whole.root == large.root(size) == defined(0, size)


@given(st.data())
def test_a_leaf_is_proven_where_it_is_and_nowhere_else(large: Tree, data: st.DataObject) -> None:
    size = data.draw(sizes)
    index = data.draw(st.integers(0, size - 1))
    proof, root = large.inclusion(index, size), defined(0, size)
    check_inclusion(LEAVES[index], index, size, proof, root)
    other = data.draw(st.integers(0, size))
    if other != index:
        with pytest.raises(NotProven):
            check_inclusion(LEAVES[index], other, size, proof, root)
    with pytest.raises(NotProven):
        check_inclusion(LEAVES[index], index, size, [*proof, root], root)
    if proof:
        with pytest.raises(NotProven):
            check_inclusion(LEAVES[index], index, size, proof[:-1], root)
    with pytest.raises(NotProven):
        check_inclusion(hashlib.sha256(b"another").digest(), index, size, proof, root)


@given(st.data())
def test_a_tree_begins_with_what_it_was_and_with_nothing_else(
    large: Tree, data: st.DataObject
) -> None:
    new = data.draw(sizes)
    old = data.draw(st.integers(1, new))
    proof, roots = large.consistency(old, new), (defined(0, old), defined(0, new))
    check_consistency(old, new, *roots, proof)
    with pytest.raises(NotProven):
        check_consistency(old, new, hashlib.sha256(b"forged").digest(), roots[1], proof)
    with pytest.raises(NotProven):
        check_consistency(old, new, roots[0], hashlib.sha256(b"forged").digest(), proof)
    with pytest.raises(NotProven):
        check_consistency(old, new, *roots, [*proof, roots[0]])
    if proof:
        with pytest.raises(NotProven):
            check_consistency(old, new, *roots, proof[:-1])


@given(st.integers(1, 400), st.integers(1, 400), st.data())
def test_one_altered_leaf_makes_every_later_head_inconsistent(
    old: int, more: int, data: st.DataObject
) -> None:
    new = old + more
    changed = data.draw(st.integers(0, old - 1))
    forged = list(LEAVES[:new])
    forged[changed] = hashlib.sha256(b"rewritten").digest()
    tree = Tree(grown(0, {}, forged).__getitem__)
    with pytest.raises(NotProven):
        check_consistency(old, new, defined(0, old), tree.root(new), tree.consistency(old, new))
