"""Check what an audit log proves: inclusion, consistency, signed heads, bundles of evidence.

Runs with Python 3.11 and the package ``cryptography`` alone; every bundle holds this file as
``verify.py``::

    python verify.py BUNDLE.zip [VERIFIER-KEY]

Merkle trees: RFC 6962, section 2.1 (RFC 9162, section 2.1). Signed heads: C2SP signed-note,
tlog-checkpoint and tlog-cosignature. A leaf of the tree is the hash of a record, 32 bytes.
"""

from __future__ import annotations

import base64
import hashlib
import json
import sys
import zipfile
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

HASH_BYTES = 32
ED25519, COSIGNATURE = 1, 4
"""Types of signatures: of the text, and of the text at a time (seconds since 1970)."""
# Bundles come from strangers: nothing in one may take memory without end.
MAX_NOTE = 65_536
"""Characters of a signed note."""
MAX_MEMBER = 67_108_864
"""Bytes of one member of a bundle, unpacked."""
DASH = "\N{EM DASH} "


class NotProven(ValueError):
    """What was to be proven is not; the message says what."""


# --- trees ------------------------------------------------------------------------------------


def leaf_hash(data: bytes) -> bytes:
    # 00 before leaves and 01 before nodes: neither passes for the other (RFC 6962, 2.1).
    return hashlib.sha256(b"\x00" + data).digest()


def node_hash(left: bytes, right: bytes) -> bytes:
    return hashlib.sha256(b"\x01" + left + right).digest()


def check_inclusion(
    leaf: bytes, index: int, size: int, hashes: Sequence[bytes], root: bytes
) -> None:
    """RFC 9162, 2.1.3.2: the leaf whose hash is ``leaf`` is number ``index`` of the tree.

    Raises
    ------
    NotProven
    """
    # RFC 9162, 2.1.3.2, step 1: an index that the tree has not fails before anything is hashed.
    if not 0 <= index < size:
        raise NotProven(f"leaf {index} is not in a tree of {size}")
    at, last, found = index, size - 1, leaf
    for sibling in hashes:
        # Too many hashes are a fault (RFC 9162, 2.1.3.2, step 4): a proof has one form only.
        if last == 0:
            raise NotProven("the proof is longer than the tree is high")
        # A right child, or the last node of an uneven level, has its sibling on the left.
        if at & 1 or at == last:
            found = node_hash(sibling, found)
            while not at & 1 and at:
                at, last = at >> 1, last >> 1
        else:
            found = node_hash(found, sibling)
        at, last = at >> 1, last >> 1
    if last or found != root:
        raise NotProven(f"leaf {index} is not in the tree of {size} with this root")


def check_consistency(
    old: int, new: int, old_root: bytes, new_root: bytes, hashes: Sequence[bytes]
) -> None:
    """RFC 9162, 2.1.4.2: the tree of ``new`` leaves begins with the tree of ``old``.

    Raises
    ------
    NotProven
    """
    if not 0 <= old <= new:
        raise NotProven(f"a tree of {new} does not begin with one of {old}")
    if old == new or old == 0:
        # One spelling for one proof: what is not needed could be anything.
        if hashes:
            raise NotProven("the proof is longer than it must be")
        if old == new and old_root != new_root:
            raise NotProven(f"there are two trees of {new}")
        return
    path = list(hashes)
    # Step 2: where the old tree is one whole subtree, the proof leaves its root out.
    if old & (old - 1) == 0:
        path.insert(0, old_root)
    if not path:
        raise NotProven("the proof is empty")
    at, last = old - 1, new - 1
    while at & 1:
        at, last = at >> 1, last >> 1
    first = second = path[0]
    for sibling in path[1:]:
        if last == 0:
            raise NotProven("the proof is longer than the tree is high")
        if at & 1 or at == last:
            first, second = node_hash(sibling, first), node_hash(sibling, second)
            while not at & 1 and at:
                at, last = at >> 1, last >> 1
        else:
            second = node_hash(second, sibling)
        at, last = at >> 1, last >> 1
    if last or first != old_root or second != new_root:
        raise NotProven(f"the tree of {new} does not begin with the tree of {old}")


# --- notes and keys ---------------------------------------------------------------------------


def b64(data: bytes) -> str:
    return base64.b64encode(data).decode()


def unb64(text: str) -> bytes:
    """The inverse of :func:`b64`, and of nothing else: one spelling for one value.

    Raises
    ------
    NotProven
    """
    try:
        data = base64.b64decode(text, validate=True)
    except ValueError:
        raise NotProven(f"{text[:80]!r} is not base64") from None
    # Spare bits at the end of base64 may be anything: one key would have several texts.
    if b64(data) != text:
        raise NotProven(f"{text[:80]!r} is not the base64 of anything")
    return data


@dataclass(frozen=True)
class VerifierKey:
    """Who signs: ``name+hash+base64(type and Ed25519 public key)``."""

    name: str
    public: bytes
    kind: int = ED25519

    @classmethod
    def parse(cls, text: str) -> VerifierKey:
        """Raises
        ------
        NotProven
            If it is no key of a type that is known here.
        """
        name, plus, rest = text.strip().partition("+")
        digest, _, data = rest.partition("+")
        material = unb64(data)
        if not plus or not is_name(name) or len(material) != 1 + HASH_BYTES:
            raise NotProven(f"{text[:200]!r} is no verifier key: name+hash+base64")
        key = cls(name, material[1:], material[0])
        # The hash finds mistyped keys: any 32 bytes could be a public key.
        if key.kind not in (ED25519, COSIGNATURE) or key.id.hex() != digest:
            raise NotProven(f"{text[:200]!r} is no verifier key: its hash is not that of the rest")
        return key

    @property
    def id(self) -> bytes:
        named = self.name.encode() + b"\n" + bytes([self.kind]) + self.public
        # C2SP signed-note: four bytes tell keys of one name apart; they prove nothing.
        return hashlib.sha256(named).digest()[:4]

    @property
    def timed(self) -> VerifierKey:
        """The same key for signatures that say when."""
        return VerifierKey(self.name, self.public, COSIGNATURE)

    def __str__(self) -> str:
        return f"{self.name}+{self.id.hex()}+{b64(bytes([self.kind]) + self.public)}"

    def signed(self, text: str, signature: bytes) -> int | None:
        """When ``text`` was signed, in seconds since 1970; None: the signature does not say.

        Raises
        ------
        NotProven
            If it was not.
        """
        when, message = None, text.encode()
        if self.kind == COSIGNATURE:
            # C2SP tlog-cosignature: eight bytes of time before the signature, big-endian.
            when = int.from_bytes(signature[:8], "big")
            signature, message = signature[8:], timed_message(text, when)
        try:
            Ed25519PublicKey.from_public_bytes(self.public).verify(signature, message)
        except InvalidSignature:
            raise NotProven(f"the signature of {self.name} does not hold") from None
        return when


def timed_message(text: str, when: int) -> bytes:
    """What is signed by whoever says when: C2SP tlog-cosignature."""
    return f"cosignature/v1\ntime {when}\n{text}".encode()


def is_name(text: str) -> bool:
    return bool(text) and "+" not in text and not any(c.isspace() or ord(c) < 32 for c in text)


@dataclass(frozen=True)
class Signature:
    """One line below a note."""

    name: str
    key_id: bytes
    data: bytes

    @classmethod
    def parse(cls, line: str) -> Signature:
        name, space, data = line.removeprefix(DASH).partition(" ")
        raw = unb64(data)
        if not line.startswith(DASH) or not space or not is_name(name) or len(raw) <= 4:
            raise NotProven(f"{line[:80]!r} is no line of a signature")
        return cls(name, raw[:4], raw[4:])

    def __str__(self) -> str:
        return f"{DASH}{self.name} {b64(self.key_id + self.data)}\n"


@dataclass(frozen=True)
class Note:
    """A text, which ends with a newline, and who signed it."""

    text: str
    signatures: tuple[Signature, ...]

    @classmethod
    def parse(cls, written: str | bytes) -> Note:
        """Raises
        ------
        NotProven
            If it is no signed note.
        """
        try:
            whole = written if isinstance(written, str) else written.decode()
        except UnicodeDecodeError:
            raise NotProven("a note is UTF-8, and this is not") from None
        # The last empty line: a note's text may have some of its own.
        body, blank, lines = whole.rpartition("\n\n")
        # The end must be there: a note that was cut off could lose signatures unnoticed.
        if not blank or not lines.endswith("\n") or len(whole) > MAX_NOTE:
            raise NotProven("this is no signed note: text, an empty line, signatures")
        # C2SP signed-note forbids them: a terminal would show another text than was signed.
        if any(ord(c) < 32 and c != "\n" for c in whole):
            raise NotProven("a note has no control characters, and this has")
        return cls(body + "\n", tuple(map(Signature.parse, lines[:-1].split("\n"))))

    def __str__(self) -> str:
        return self.text + "\n" + "".join(map(str, self.signatures))

    def by(self, key: VerifierKey) -> int | None:
        """When ``key`` signed this; None: it did, and did not say when.

        Raises
        ------
        NotProven
            If it did not sign, or its signature does not hold.
        """
        found = [s for s in self.signatures if s.name == key.name and s.key_id == key.id]
        if not found:
            raise NotProven(f"{key.name} has not signed this")
        # All of them must hold: a false one beside a true one is a forgery all the same.
        times = [key.signed(self.text, signature.data) for signature in found]
        return times[-1]

    def has(self, key: VerifierKey) -> bool:
        return any(s.name == key.name and s.key_id == key.id for s in self.signatures)


@dataclass(frozen=True)
class Checkpoint:
    """The head of a log: how many leaves it has, and the root of their tree."""

    origin: str
    size: int
    root: bytes

    @property
    def text(self) -> str:
        return f"{self.origin}\n{self.size}\n{b64(self.root)}\n"

    @classmethod
    def parse(cls, text: str) -> Checkpoint:
        """Raises
        ------
        NotProven
            If the text is none. Lines after the third say nothing here.
        """
        lines = text.split("\n")
        # tlog-checkpoint allows lines after the root, and no empty one.
        if len(lines) < 4 or not all(lines[:-1]) or lines[-1]:
            raise NotProven("this is no checkpoint: origin, size and root, a line each")
        origin, size, root = lines[:3]
        # Cut to 20 digits: 2**64 has as many, and int() of many takes quadratic time.
        if not (size.isascii() and size.isdigit()) or str(int(size[:20])) != size:
            raise NotProven(f"{size[:80]!r} is no size of a tree")
        hashed = unb64(root)
        if len(hashed) != HASH_BYTES:
            raise NotProven("the root is not 32 bytes")
        return cls(origin, int(size), hashed)


@dataclass(frozen=True)
class SignedHead:
    """A checkpoint that its log has signed."""

    checkpoint: Checkpoint
    time: int | None
    """When, in seconds since 1970, by the log's own clock; None: it does not say."""


def read_head(note: Note, key: VerifierKey) -> SignedHead:
    """The head that ``note`` is, signed by the log that ``key`` belongs to.

    Raises
    ------
    NotProven
        If it is none, or not signed so.
    """
    checkpoint = Checkpoint.parse(note.text)
    # Keys of another log must not vouch for this one.
    if checkpoint.origin != key.name:
        raise NotProven(f"this is a head of {checkpoint.origin!r}, not of {key.name!r}")
    note.by(key)
    timed = key.timed
    return SignedHead(checkpoint, note.by(timed) if note.has(timed) else None)


# --- records ----------------------------------------------------------------------------------

Json = dict[str, Any]
# What is erased (salt, payload) cannot be part of the hash that must outlive it.
BESIDE = ("hash", "salt", "payload", "proof")
"""Members of an exported record that are not a part of what is hashed."""


def canonical(value: object) -> bytes:
    """RFC 8785, for what records hold: text, whole numbers, lists, objects."""
    # Equal to RFC 8785 here only because records hold no floats, whose spelling it defines.
    return json.dumps(
        value, sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False
    ).encode()


def record_hash(exported: Mapping[str, Any]) -> bytes:
    """The hash of an exported record, 32 bytes: of all it says, and of what it tells of.

    Raises
    ------
    NotProven
        If it, or its payload, is not what was sealed.
    """
    said = {key: value for key, value in exported.items() if key not in BESIDE}
    found = hashlib.sha256(canonical(said)).digest()
    if found.hex() != exported.get("hash"):
        raise NotProven("the record is not what was sealed: a field or its hash was altered")
    if "payload" in exported:
        # Salted: a digest of few possible readings could be guessed after the erasure.
        salted = bytes.fromhex(exported["salt"]) + exported["payload"].encode()
        if hashlib.sha256(salted).hexdigest() != said.get("payload_digest"):
            raise NotProven("what the record tells of is not what was sealed")
    return found


def check_proof(hashed: bytes, proof: Mapping[str, Any], head: Checkpoint) -> None:
    """The record with this hash is in the tree of ``head``.

    Raises
    ------
    NotProven
    """
    # A proof is of one tree: against another head its hashes mean nothing.
    if proof["size"] != head.size:
        raise NotProven(f"the proof is for a tree of {proof['size']}, the head has {head.size}")
    hashes = [unb64(text) for text in proof["hashes"]]
    check_inclusion(leaf_hash(hashed), proof["index"], head.size, hashes, head.root)


# --- bundles ----------------------------------------------------------------------------------

MANIFEST = "manifest.txt"
MANIFEST_TITLE = "ifonly evidence bundle 1"
REQUIRED = ("record.json", "proof.json", "checkpoint.txt", "keys.json", "reviews.jsonl")


@dataclass(frozen=True)
class BundleCheck:
    """One thing that was checked."""

    name: str
    holds: bool
    says: str


def manifest_text(members: Mapping[str, bytes]) -> str:
    """The text that a bundle's log signs: the SHA-256 of every other member."""
    # Two spaces, as sha256sum writes it: people can check members without this file.
    digests = [f"{hashlib.sha256(members[name]).hexdigest()}  {name}" for name in sorted(members)]
    return "\n".join([MANIFEST_TITLE, *digests]) + "\n"


def read_bundle(file: Any) -> dict[str, bytes]:
    """The members of a zip.

    Raises
    ------
    NotProven
        If it is no whole zip, or a member is there twice or too long.
    """
    try:
        with zipfile.ZipFile(file) as packed:
            infos = packed.infolist()
            # Readers of zips differ in which of two they take.
            if len({info.filename for info in infos}) < len(infos):
                raise NotProven("a member is there twice")
            # Asked before unpacking: a small zip can unpack to any size.
            if any(info.file_size > MAX_MEMBER for info in infos):
                raise NotProven("a member is too long")
            return {info.filename: packed.read(info) for info in infos}
    except (zipfile.BadZipFile, NotImplementedError, RuntimeError, EOFError, OSError) as error:
        raise NotProven(f"this is no whole zip: {error}") from None
    except Exception as error:  # what zlib and struct say of damage
        raise NotProven(f"this is no whole zip: {type(error).__name__}: {error}") from None


def check_bundle(
    members: Mapping[str, bytes], key: VerifierKey | None = None, roots: bytes | None = None
) -> list[BundleCheck]:
    """Every check of a bundle. ``key`` is the log's, from somewhere else than the bundle;
    ``roots``: certificates (PEM) that time stamps are trusted by, from somewhere else too."""
    done: list[BundleCheck] = []
    for name, check in _Bundle(members, key, roots).checks():
        try:
            done.extend(BundleCheck(name, True, said) for said in check())
        except NotProven as problem:
            done.append(BundleCheck(name, False, str(problem)))
        # What is misshapen fails this check alone; the others still say what they find.
        except (KeyError, TypeError, ValueError, AttributeError, RecursionError) as error:
            done.append(BundleCheck(name, False, f"misshapen: {error!r}"))
    return done


class _Bundle:
    def __init__(
        self, members: Mapping[str, bytes], key: VerifierKey | None, roots: bytes | None
    ) -> None:
        self._members = members
        self._given = key
        self._roots = roots

    def checks(self) -> Iterator[tuple[str, Any]]:
        yield "key", self._trusted
        yield "manifest", self._manifest
        yield "record", self._record
        yield "inclusion", self._inclusion
        yield "signed head", self._head
        yield "cosignatures", self._cosignatures
        yield "time stamp", self._stamp
        yield "reviews", self._reviews
        yield "documents", self._documents

    def _json(self, name: str) -> Json:
        if name not in self._members:
            raise NotProven(f"{name} is missing")
        value = json.loads(self._members[name])
        if not isinstance(value, dict):
            raise NotProven(f"{name} is no object")
        return value

    def _key(self) -> VerifierKey:
        inside = VerifierKey.parse(self._json("keys.json")["log"])
        # The key given from outside decides: a forger brings a bundle with a key of their own.
        if self._given is not None and inside != self._given:
            raise NotProven(f"the bundle is of the log {inside}, not of {self._given}")
        return inside

    def _note(self) -> Note:
        return Note.parse(self._members.get("checkpoint.txt", b""))

    def _trusted(self) -> Iterator[str]:
        key = self._key()
        if self._given is None:
            yield f"{key}: taken from the bundle itself. Compare it with what the log's keeper says"
        else:
            yield f"{key}, as given"

    def _manifest(self) -> Iterator[str]:
        note = Note.parse(self._members.get(MANIFEST, b""))
        note.by(self._key())
        others = {name: data for name, data in self._members.items() if name != MANIFEST}
        wrong = set(manifest_text(others).split("\n")) ^ set(note.text.split("\n"))
        # Compared as a whole, too: the same lines in another order were not signed.
        if wrong or note.text != manifest_text(others):
            names = sorted({line.partition("  ")[2] for line in wrong})
            raise NotProven(f"not as they were packed: {', '.join(names) or 'the order'}")
        missing = [name for name in REQUIRED if name not in others]
        if missing:
            raise NotProven(f"missing: {', '.join(missing)}")
        yield f"{len(others)} members, signed by {self._key().name}"

    def _record(self) -> Iterator[str]:
        record = self._json("record.json")
        hashed = record_hash(record)
        yield f"{record['kind']} {record['id']} of {record['time']} has the hash {hashed.hex()}"
        if "payload" in record:
            kept = json.loads(record["payload"])
            named = kept["answer"].get("id", record["id"])
            # The payload is sealed with its record, and an answer moved to another would show here.
            if named != record["id"]:
                raise NotProven(f"the answer is that of {named}")
            yield "question and answer are those that were sealed"
        elif "payload_digest" in record:
            yield "question and answer were erased"

    def _inclusion(self) -> Iterator[str]:
        head = Checkpoint.parse(self._note().text)
        proof = self._json("proof.json")
        check_proof(record_hash(self._json("record.json")), proof, head)
        yield f"leaf {proof['index']} of the tree of {head.size} with the root {head.root.hex()}"

    def _head(self) -> Iterator[str]:
        head = read_head(self._note(), self._key())
        when = "" if head.time is None else f" at {utc(head.time)}, by the log's own clock"
        yield f"{head.checkpoint.origin} signed the head of {head.checkpoint.size}{when}"

    def _cosignatures(self) -> Iterator[str]:
        note, log = self._note(), self._key()
        known = [VerifierKey.parse(text) for text in self._json("keys.json")["witnesses"]]
        for key in known:
            if note.has(key):
                when = note.by(key)
                yield f"{key.name} found it consistent at {utc(when or 0)} (key {key})"
        # Both types of the log's key: it signs the text, and the text with the time.
        ours = {(k.name, k.id) for k in (log, log.timed, *known)}
        for signature in note.signatures:
            if (signature.name, signature.key_id) not in ours:
                # Not a fault: anybody may cosign, and who is unknown proves nothing.
                yield f"{signature.name} is not known here: not checked"

    def _stamp(self) -> Iterator[str]:
        stamp = self._members.get("stamp.tsr")
        if stamp is None:
            return
        log = self._key()
        # Only the log's own lines: cosignatures came after the stamp.
        own = [s for s in self._note().signatures if s.name == log.name]
        message = str(Note(self._note().text, tuple(own))).encode()
        # The bundle's own roots come second: a forger would bring theirs along.
        roots = self._roots or self._members.get("tsa-roots.pem")
        yield check_stamp(stamp, message, roots)

    def _reviews(self) -> Iterator[str]:
        record, head = self._json("record.json"), Checkpoint.parse(self._note().text)
        for line in self._members.get("reviews.jsonl", b"").splitlines():
            review = json.loads(line)
            # A true review of another record would be a false one of this.
            if review["about"] != record["id"]:
                raise NotProven(f"{review['kind']} {review['id']} is about another record")
            # Reviews are records: one that is not in the log may have been written later.
            check_proof(record_hash(review), review["proof"], head)
            yield f"{review['kind']} {review.get('status', '')} by {review['actor']}".strip()

    def _documents(self) -> Iterator[str]:
        record = self._json("record.json")
        for name, field in (("spec.toml", "spec_sha256"), ("causal.toml", "causal_sha256")):
            document = self._members.get(f"model/{name}")
            if document is None:
                continue
            if hashlib.sha256(document).hexdigest() != record.get(field):
                raise NotProven(f"{name} is not the one that answered")
            yield f"{name} is the one that answered ({field})"


def utc(seconds: int) -> str:
    from datetime import UTC, datetime

    # A signed time may be any number; datetime ends with the year 9999.
    return datetime.fromtimestamp(min(seconds, 2**37), UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def check_stamp(stamp: bytes, message: bytes, roots: bytes | None) -> str:
    """What an RFC 3161 response says of ``message``. Its signature is checked where there are
    ``roots`` (PEM) and the package ``rfc3161-client``; the digest that it stamps in any case.

    Raises
    ------
    NotProven
    """
    digest = hashlib.sha256(message).digest()
    try:
        import rfc3161_client as rfc3161
    except ImportError:
        # Without the library the digest is at least looked for: another head has another.
        if digest not in stamp:
            raise NotProven("the time stamp is not of this head") from None
        return (
            "stamps this head; its signature was NOT checked: that needs rfc3161-client, or "
            "`openssl ts -verify -in stamp.tsr -data HEAD -CAfile ROOTS`"
        )
    try:
        response = rfc3161.decode_timestamp_response(stamp)
        told = response.tst_info
        if told.message_imprint.message != digest:
            raise NotProven("the time stamp is not of this head")
        when = told.gen_time.strftime("%Y-%m-%dT%H:%M:%SZ")
        if roots is None:
            return f"stamps this head at {when}; its signature was NOT checked: no roots are given"
        _verifier(rfc3161, response, roots).verify_message(response, message)
    except NotProven:
        raise
    except (rfc3161.VerificationError, ValueError) as error:
        raise NotProven(f"the time stamp does not hold: {error}") from None
    return f"stamped at {when} by an authority that the given roots vouch for"


def _verifier(rfc3161: Any, response: Any, roots: bytes) -> Any:
    from cryptography import x509

    trusted = x509.load_pem_x509_certificates(roots)
    builder = rfc3161.VerifierBuilder(roots=trusted)
    for data in response.signed_data.certificates:
        certificate = x509.load_der_x509_certificate(data)
        if certificate not in trusted:
            builder = builder.add_intermediate_certificate(certificate)
    return builder.build()


def main(arguments: Sequence[str]) -> int:
    """``verify.py BUNDLE.zip [VERIFIER-KEY]``: 0 all holds, 1 something does not, 2 unreadable."""
    if not 1 <= len(arguments) <= 2:
        print("usage: python verify.py BUNDLE.zip [VERIFIER-KEY]", file=sys.stderr)
        return 2
    try:
        key = VerifierKey.parse(arguments[1]) if len(arguments) == 2 else None
        found = check_bundle(read_bundle(arguments[0]), key)
    except NotProven as problem:
        print(f"cannot be checked: {problem}", file=sys.stderr)
        return 2
    for check in found:
        print(f"{'holds' if check.holds else 'FAILS'}  {check.name}: {check.says}")
    return 0 if all(check.holds for check in found) else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
