"""What a log sends to a witness, and what a witness makes of it: C2SP tlog-witness.

old 20852014
PlRNCrwHpqhGrupue0L7gxbjbMiKA9temvuZZDDpkaw=

example.com/behind-the-sofa
20852163
CsUYapGGPo4dkMgIAUqom/Xajj7h2fB2MPA3j2jxq2I=

— example.com/behind-the-sofa Az3grlgt…
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum

from ifonly.service.transparency.verifier import (
    HASH_BYTES,
    Checkpoint,
    Note,
    NotProven,
    Signature,
    VerifierKey,
    b64,
    check_consistency,
    read_head,
    unb64,
)

# tlog-witness: more no tree of 2**63 leaves needs.
MOST_HASHES = 63


class WitnessRefusal(StrEnum):
    """Why a witness does not sign."""

    MALFORMED = "malformed"
    UNKNOWN_LOG = "unknown_log"
    NOT_SIGNED = "not_signed"
    NOT_CONSISTENT = "not_consistent"


class NotWitnessed(ValueError):
    """A witness does not sign this head."""

    def __init__(self, fault: WitnessRefusal, text: str) -> None:
        super().__init__(text)
        self.fault = fault


class OtherSize(Exception):
    """The witness has seen another size, or another root of this size."""

    def __init__(self, size: int) -> None:
        super().__init__(f"the last head that was cosigned has {size} leaves")
        self.size = size


@dataclass(frozen=True, slots=True)
class AddCheckpointRequest:
    """What a log sends to a witness: a head, and the proof that it begins with the one of ``old``
    leaves."""

    old: int
    hashes: tuple[bytes, ...]
    note: Note

    @property
    def body(self) -> str:
        lines = [f"old {self.old}\n", *(f"{b64(each)}\n" for each in self.hashes)]
        return "".join(lines) + f"\n{self.note}"

    @classmethod
    def parse(cls, body: bytes) -> AddCheckpointRequest:
        """Raises
        ------
        NotWitnessed
            If it is not what a log sends.
        """
        try:
            # The first empty line ends the proof; those after it are the note's.
            head, blank, note = body.decode().partition("\n\n")
            first, *lines = head.split("\n")
            size = first.removeprefix("old ")
            hashes = tuple(unb64(line) for line in lines)
            # isdigit alone would take digits of other scripts.
            if not (blank and first.startswith("old ") and size.isascii() and size.isdigit()):
                raise NotProven("the first line is not `old` and a size")
            # One spelling for one size: what is signed must be read alike everywhere.
            if str(int(size[:20])) != size or len(hashes) > MOST_HASHES:
                raise NotProven("the size has zeros before it, or there are too many hashes")
            # Another length would fold into some root as well.
            if any(len(each) != HASH_BYTES for each in hashes):
                raise NotProven("a hash is not 32 bytes")
            return cls(int(size), hashes, Note.parse(note))
        except UnicodeDecodeError:
            raise NotWitnessed(WitnessRefusal.MALFORMED, "the body is not UTF-8") from None
        except NotProven as problem:
            raise NotWitnessed(WitnessRefusal.MALFORMED, str(problem)) from None


@dataclass(frozen=True, slots=True)
class CosignedHead:
    """The last head of a log that a witness has cosigned."""

    size: int
    root: bytes


NOTHING = CosignedHead(0, b"")


def trusted(shown: AddCheckpointRequest, logs: Sequence[VerifierKey]) -> Checkpoint:
    """The head that is shown, signed by one of ``logs``.

    Raises
    ------
    NotWitnessed
        If it is of another log, or not signed so.
    """
    try:
        checkpoint = Checkpoint.parse(shown.note.text)
    except NotProven as problem:
        raise NotWitnessed(WitnessRefusal.MALFORMED, str(problem)) from None
    # Several keys may have one name: while a log changes its key, both are known.
    ours = [key for key in logs if key.name == checkpoint.origin]
    if not ours:
        raise NotWitnessed(WitnessRefusal.UNKNOWN_LOG, "a log of this origin is not known here")
    for key in ours:
        try:
            read_head(shown.note, key)
        except NotProven:
            continue
        if shown.old > checkpoint.size:
            # tlog-witness wants this told as malformed, whatever is proved.
            text = f"old is {shown.old}, and the head has {checkpoint.size} leaves"
            raise NotWitnessed(WitnessRefusal.MALFORMED, text)
        return checkpoint
    raise NotWitnessed(
        WitnessRefusal.NOT_SIGNED, "no key of this log that is known here has signed it"
    )


def follows(shown: AddCheckpointRequest, checkpoint: Checkpoint, seen: CosignedHead) -> None:
    """The head begins with the one that was ``seen``.

    Raises
    ------
    OtherSize
        If the log takes another one for that.
    NotWitnessed
        If it does not.
    """
    # The log must name our size, for the proof is from there (tlog-witness: 409, with the size).
    if shown.old != seen.size or (
        # Two roots for one size: the log is told, as of another size, and no proof is asked for.
        checkpoint.size == seen.size != 0 and checkpoint.root != seen.root
    ):
        raise OtherSize(seen.size)
    try:
        check_consistency(seen.size, checkpoint.size, seen.root, checkpoint.root, shown.hashes)
    except NotProven as problem:
        # An empty log has no root that could be compared.
        if seen.size == checkpoint.size == 0 and not shown.hashes:
            return
        raise NotWitnessed(WitnessRefusal.NOT_CONSISTENT, str(problem)) from None


def cosignature_in(body: str, text: str, key: VerifierKey) -> Signature:
    """The cosignature of ``key`` in a witness's reply about a head's ``text``.

    Raises
    ------
    NotProven
        If there is none that holds.
    """
    note = Note.parse(f"{text}\n{body}")
    # A witness is not trusted either: its signature is checked before it is kept.
    note.by(key)
    return next(s for s in note.signatures if s.name == key.name and s.key_id == key.id)
