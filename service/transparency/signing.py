"""Who signs heads: a key in a file, in the environment, or behind a command or a function (KMS).

A private key is written as Go's ``golang.org/x/mod/sumdb/note`` writes it:
``PRIVATE+KEY+name+hash+base64(type and seed)``.
"""

from __future__ import annotations

import importlib
import os
import re
import secrets
import shlex
import stat
import subprocess
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from ifonly.service.transparency.verifier import (
    ED25519,
    HASH_BYTES,
    Checkpoint,
    Note,
    NotProven,
    Signature,
    VerifierKey,
    b64,
    is_name,
    timed_message,
    unb64,
)

PREFIX = "PRIVATE+KEY+"
SIGNATURE_BYTES = 64
# A KMS that hangs must not hold up the log for ever; the next round asks it again.
COMMAND_SECONDS = 30.0
_FUNCTION = re.compile(r"[A-Za-z_][\w.]*:[A-Za-z_]\w*")


class NoKey(ValueError):
    """There is no key to sign with, or it does not sign; the message says why."""


class Signer(Protocol):
    """Signs bytes with Ed25519."""

    @property
    def key(self) -> VerifierKey: ...

    def sign(self, message: bytes) -> bytes:
        """64 bytes.

        Raises
        ------
        NoKey
            If it cannot, now.
        """
        ...


@dataclass(frozen=True)
class LocalSigner:
    """A private key in this process."""

    key: VerifierKey
    # Dataclasses end in tracebacks and logs.
    seed: bytes = field(repr=False)

    @classmethod
    def new(cls, name: str) -> LocalSigner:
        return cls.of(name, secrets.token_bytes(HASH_BYTES))

    @classmethod
    def of(cls, name: str, seed: bytes) -> LocalSigner:
        if not is_name(name):
            # Spaces and plus signs separate the parts of keys and signatures (C2SP signed-note).
            raise NoKey(f"{name!r} is no name for a key: no spaces, no plus")
        public = Ed25519PrivateKey.from_private_bytes(seed).public_key().public_bytes_raw()
        return cls(VerifierKey(name, public), seed)

    @classmethod
    def parse(cls, text: str) -> LocalSigner:
        """Raises
        ------
        NoKey
            If it is no private key. The message does not repeat it.
        """
        name, _, rest = text.strip().removeprefix(PREFIX).partition("+")
        digest, _, data = rest.partition("+")
        try:
            material = unb64(data)
        # Told as the other faults of a key: the text itself is secret and is not repeated.
        except NotProven:
            material = b""
        if len(material) != 1 + HASH_BYTES or material[0] != ED25519 or not is_name(name):
            raise NoKey(f"this is no private key: {PREFIX}name+hash+base64")
        signer = cls.of(name, material[1:])
        # The hash finds a mistyped key: any 32 bytes are a seed.
        if signer.key.id.hex() != digest:
            raise NoKey("the private key's hash is not that of the rest")
        return signer

    @property
    def text(self) -> str:
        data = b64(bytes([ED25519]) + self.seed)
        return f"{PREFIX}{self.key.name}+{self.key.id.hex()}+{data}"

    def sign(self, message: bytes) -> bytes:
        return Ed25519PrivateKey.from_private_bytes(self.seed).sign(message)


@dataclass(frozen=True)
class OutsideSigner:
    """A key that this process does not hold; each signature is checked before it is used."""

    key: VerifierKey
    ask: Callable[[bytes], bytes]

    def sign(self, message: bytes) -> bytes:
        try:
            answer = self.ask(message)
        # Whatever a plant's own function raises: the sequencer knows only NoKey.
        except Exception as error:
            raise NoKey(f"the signer failed: {type(error).__name__}: {error}") from error
        signature = _signature(answer)
        # A KMS with a wrong key would sign heads that nobody can verify.
        try:
            VerifierKey(self.key.name, self.key.public).signed(message.decode(), signature)
        except NotProven:
            raise NoKey(f"what the signer gave is no signature of {self.key}") from None
        return signature


def _signature(answer: bytes) -> bytes:
    """64 bytes as they are, or in base64."""
    # By length: base64 of 64 bytes is 88 characters, so the two cannot be mixed up.
    if len(answer) == SIGNATURE_BYTES:
        return answer
    try:
        return unb64(answer.decode("ascii", "replace").strip())
    except NotProven:
        return b""


def outside(key: VerifierKey, how: str) -> OutsideSigner:
    """``how``: ``module:function``, called with the bytes to sign; or a command, which reads them
    from its standard input and writes the signature, raw or in base64.

    Raises
    ------
    NoKey
        If there is no such function.
    """
    if not _FUNCTION.fullmatch(how):
        return OutsideSigner(key, lambda message: _run(how, message))
    module, _, name = how.partition(":")
    try:
        function: Callable[[bytes], bytes] = getattr(importlib.import_module(module), name)
    except (ImportError, AttributeError) as error:
        raise NoKey(f"the signer {how} cannot be loaded: {error}") from None
    return OutsideSigner(key, function)


def _run(command: str, message: bytes) -> bytes:
    # Split into words, without a shell: nothing in the setting is run as shell code.
    done = subprocess.run(
        shlex.split(command), input=message, capture_output=True, timeout=COMMAND_SECONDS
    )
    if done.returncode:
        # Cut: it ends in a log line.
        said = done.stderr.decode(errors="replace").strip()[:200]
        raise NoKey(f"exit code {done.returncode}: {said}")
    return done.stdout


def read_key(file: Path) -> LocalSigner:
    """The private key in a file that nobody but its owner may read.

    Raises
    ------
    NoKey
        If others may, or it cannot be read.
    """
    try:
        # The mode is looked at before the key is used: a key that others could read proves nothing.
        mode = file.stat().st_mode
        text = file.read_text(encoding="ascii")
    except (OSError, UnicodeDecodeError) as error:
        raise NoKey(f"the key {file} cannot be read: {error}") from None
    # A group may read: secrets mounted for a user who does not own them have it so.
    if os.name == "posix" and mode & (stat.S_IRWXO | stat.S_IWGRP):
        raise NoKey(f"others may read or write the key {file}: chmod 600 {file}")
    return LocalSigner.parse(text)


def make_key(file: Path, name: str) -> tuple[LocalSigner, bool]:
    """The key in ``file``, made if there is none; whether it was made now. Two that make it at
    once get the same one.

    Raises
    ------
    NoKey
        If it cannot be written or read.
    """
    # Never written over: a new key would make all heads before it unverifiable by the old one.
    if file.exists():
        return read_key(file), False
    signer = LocalSigner.new(name)
    # Written beside and linked: a crash leaves the whole key or none, never half of one.
    written = file.with_name(f"{file.name}.{secrets.token_hex(4)}")
    try:
        file.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        # 0600 from the first byte: chmod afterwards would leave a moment in which others read.
        handle = os.open(written, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(handle, "w", encoding="ascii") as opened:
            opened.write(signer.text + "\n")
            opened.flush()
            # A head signed by a key that a power cut takes away could never be followed by another.
            os.fsync(opened.fileno())
        try:
            os.link(written, file)  # fails where there is one: it is whole, or not there
        finally:
            written.unlink()
    # Another process was first: its key is the log's.
    except FileExistsError:
        return read_key(file), False
    except OSError as error:
        raise NoKey(f"the key {file} cannot be made: {error.strerror}") from None
    return signer, True


def sign_note(signer: Signer, text: str) -> Note:
    """``text`` with one signature."""
    key = signer.key
    return Note(text, (Signature(key.name, key.id, signer.sign(text.encode())),))


def sign_head(signer: Signer, checkpoint: Checkpoint, when: int | None) -> Note:
    """A head as its log signs it: the text, and with ``when`` (seconds since 1970) the time."""
    plain = sign_note(signer, checkpoint.text)
    # No time is vouched for unless all records of that time are in the head (decision 0081).
    if when is None:
        return plain
    return Note(plain.text, (*plain.signatures, cosign(signer, checkpoint.text, when)))


def cosign(signer: Signer, text: str, when: int) -> Signature:
    """That ``text`` was the head at ``when``: C2SP tlog-cosignature."""
    key = signer.key.timed
    # The time is in what is signed, and is sent before the signature: C2SP tlog-cosignature.
    signature = signer.sign(timed_message(text, when))
    return Signature(key.name, key.id, when.to_bytes(8, "big") + signature)
