"""Signed notes, checkpoints and cosignatures as C2SP writes them."""

from __future__ import annotations

import stat
import sys
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ifonly.service.transparency.signing import (
    LocalSigner,
    NoKey,
    cosign,
    make_key,
    outside,
    read_key,
    sign_head,
)
from ifonly.service.transparency.verifier import (
    Checkpoint,
    Note,
    NotProven,
    VerifierKey,
    read_head,
)

# The examples of golang.org/x/mod/sumdb/note.
GO_KEY = "PeterNeumann+c74f20a3+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW"
GO_NOTE = """\
If you think cryptography is the answer to your problem,
then you don't know what your problem is.

— PeterNeumann x08go/ZJkuBS9UG/SffcvIAQxVBtiFupLLr8pAcElZInNIuGUgYN1FFYC2pZSNXgKvqfqdngotpRZb6KE6RyyBwJnAM=
"""  # noqa: E501
GO_PRIVATE = "PRIVATE+KEY+PeterNeumann+c74f20a3+AYEKFALVFGyNhPJEMzD1QIDr+Y7hfZx09iUvxdXHKDFz"
# The example of C2SP tlog-cosignature.
WITNESSED = """\
example.com/behind-the-sofa
20852163
CsUYapGGPo4dkMgIAUqom/Xajj7h2fB2MPA3j2jxq2I=

— example.com/behind-the-sofa Az3grlgtzPICa5OS8npVmf1Myq/5IZniMp+ZJurmRDeOoRDe4URYN7u5/Zhcyv2q1gGzGku9nTo+zyWE+xeMcTOAYQ8=
— witness.example.com/w1 jWbPPwAAAABkGFDLEZMHwSRaJNiIDoe9DYn/zXcrtPHeolMI5OWXEhZCB9dlrDJsX3b2oyin1nPZqhf5nNo0xUe+mbIUBkBIfZ+qnA==
"""  # noqa: E501

SIGNER = LocalSigner.of("log.example/one", bytes(range(32)))
HEAD = Checkpoint("log.example/one", 7, bytes(32))


def test_a_note_of_go_is_read_and_its_signature_holds() -> None:
    note = Note.parse(GO_NOTE)
    assert note.by(VerifierKey.parse(GO_KEY)) is None
    assert str(note) == GO_NOTE


def test_a_private_key_of_go_makes_the_same_signature() -> None:
    signer = LocalSigner.parse(GO_PRIVATE)
    assert str(signer.key) == GO_KEY
    assert signer.text == GO_PRIVATE
    note = Note.parse(GO_NOTE)
    assert signer.sign(note.text.encode()) == note.signatures[0].data


def test_a_checkpoint_of_c2sp_is_read_as_it_is_written() -> None:
    note = Note.parse(WITNESSED)
    head = Checkpoint.parse(note.text)
    assert (head.origin, head.size) == ("example.com/behind-the-sofa", 20852163)
    assert head.text == note.text
    assert str(note) == WITNESSED
    assert int.from_bytes(note.signatures[1].data[:8], "big") == 1679315147


def test_a_head_says_when_it_was_signed() -> None:
    note = Note.parse(str(sign_head(SIGNER, HEAD, 1_700_000_000)))
    found = read_head(note, SIGNER.key)
    assert found.checkpoint == HEAD
    assert found.time == 1_700_000_000


def test_a_cosignature_holds_for_its_witness_only() -> None:
    witness = LocalSigner.of("witness.example", bytes(32))
    signed = sign_head(SIGNER, HEAD, None)
    note = Note(signed.text, (*signed.signatures, cosign(witness, signed.text, 1_700_000_001)))
    assert note.by(witness.key.timed) == 1_700_000_001
    with pytest.raises(NotProven, match="has not signed"):
        note.by(LocalSigner.of("witness.example", bytes(31) + b"1").key.timed)


@given(st.integers(0), st.integers(0, 7))
def test_a_head_with_one_bit_changed_is_refused(place: int, bit: int) -> None:
    written = bytearray(str(sign_head(SIGNER, HEAD, 1_700_000_000)).encode())
    written[place % len(written)] ^= 1 << bit
    with pytest.raises(NotProven):
        read_timed(bytes(written))


def read_timed(written: bytes) -> None:
    """Where the name or the id of the second line was hit, it is somebody else's."""
    if read_head(Note.parse(written), SIGNER.key).time is None:
        raise NotProven("it does not say when")


@pytest.mark.parametrize(
    "text",
    [
        "",
        "origin\n1\n",
        "origin\n01\n" + "A" * 43 + "=\n",
        "origin\n-1\n" + "A" * 43 + "=\n",
        "origin\n٣\n" + "A" * 43 + "=\n",
        "origin\n1\nAAAA\n",
        "origin\n1\n" + "A" * 42 + "B=\n",
        "\n1\n" + "A" * 43 + "=\n",
        "origin\n1\n" + "A" * 43 + "=\n\nextension\n",
    ],
)
def test_what_is_no_checkpoint_is_refused(text: str) -> None:
    with pytest.raises(NotProven):
        Checkpoint.parse(text)


@pytest.mark.parametrize("text", ["", "a", "a+b", "a+00000000+", GO_KEY[:-1], "x" + GO_KEY])
def test_what_is_no_verifier_key_is_refused(text: str) -> None:
    with pytest.raises(NotProven):
        VerifierKey.parse(text)


def test_a_key_is_made_once_and_is_its_owners(tmp_path: Path) -> None:
    file = tmp_path / "deep" / "log.key"
    first, made = make_key(file, "log.example")
    again, made_again = make_key(file, "log.example")
    assert (made, made_again) == (True, False)
    assert first == again == read_key(file)
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert list(file.parent.iterdir()) == [file]
    assert "seed" not in repr(first)


def test_a_key_that_others_may_read_is_refused(tmp_path: Path) -> None:
    file = tmp_path / "log.key"
    make_key(file, "log.example")
    file.chmod(0o644)
    with pytest.raises(NoKey, match="chmod 600"):
        read_key(file)


def test_a_message_about_a_bad_key_does_not_repeat_it() -> None:
    with pytest.raises(NoKey) as caught:
        LocalSigner.parse(GO_PRIVATE[:-2] + "AA")
    assert GO_PRIVATE[20:40] not in str(caught.value)


def signed_elsewhere(message: bytes) -> bytes:
    return SIGNER.sign(message)


def test_a_function_signs_for_a_key_that_is_not_here() -> None:
    signer = outside(SIGNER.key, f"{__name__}:signed_elsewhere")
    assert read_head(sign_head(signer, HEAD, 5), SIGNER.key).time == 5


def test_a_command_signs_for_a_key_that_is_not_here(tmp_path: Path) -> None:
    script = tmp_path / "kms.py"
    script.write_text(
        "import base64, sys\n"
        "from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey\n"
        "key = Ed25519PrivateKey.from_private_bytes(bytes(range(32)))\n"
        "print(base64.b64encode(key.sign(sys.stdin.buffer.read())).decode())\n"
    )
    signer = outside(SIGNER.key, f"{sys.executable} {script}")
    assert read_head(sign_head(signer, HEAD, 5), SIGNER.key).time == 5


def test_a_signature_of_another_key_is_not_used(tmp_path: Path) -> None:
    other = LocalSigner.new("log.example/one")
    with pytest.raises(NoKey, match="no signature"):
        sign_head(outside(other.key, f"{__name__}:signed_elsewhere"), HEAD, 5)
    with pytest.raises(NoKey, match="exit code"):
        sign_head(outside(other.key, f"{sys.executable} -c 'raise SystemExit(3)'"), HEAD, 5)
    with pytest.raises(NoKey, match="cannot be loaded"):
        outside(other.key, "no_such_module:sign")
