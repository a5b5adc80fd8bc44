"""The verifier's own Ed25519, Merkle tree, notes and JSON agree with published vectors and with code that is not ours."""

from __future__ import annotations

import hashlib
from contextlib import suppress

import pytest
import rfc8785
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from hypothesis import given, settings
from hypothesis import strategies as st

from audit.proofs import inclusion_paths, tlog_proof
from audit.verifier.countersign_verify import (
    Checkpoint,
    Frontier,
    Malformed,
    VerifyingKey,
    canonical_json,
    checkpoint_body,
    is_included,
    is_signed,
    leaf_hash,
    node_hash,
    parse_canonical,
    parse_json,
    signature_line,
)

# RFC 8032, section 7.1: public key, message, signature.
VECTORS = [
    (
        "d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a",
        "",
        "e5564300c360ac729086e2cc806e828a84877f1eb8e5d974d873e065224901555fb8821590a33bacc61e39701cf9b46bd25bf5f0595bbe24655141438e7a100b",
    ),
    (
        "3d4017c3e843895a92b70aa74d1b7ebc9c982ccf2ec4968cc0cd55f12af4660c",
        "72",
        "92a009a9f0d4cab8720e820b5f642540a2b27b5416503f8fb3762223ebdb69da085ac1e43e15996e458f3613d0f11d8c387b2eaeb4302aeeb00d291612bb0c00",
    ),
    (
        "fc51cd8e6218a1a38da47ed00230f0580816ed13ba3303ac5deb911548908025",
        "af82",
        "6291d657deec24024827e69c3abe01a30ce548a284743a445e3680d7db5ac3ac18ff9b538d16f290ae67f760984dc6594a7c15e9716ed28dc027beceea1ec40a",
    ),
]


@pytest.mark.parametrize(("public", "message", "signature"), VECTORS)
def test_ed25519_agrees_with_rfc_8032(public: str, message: str, signature: str) -> None:
    key, text, value = bytes.fromhex(public), bytes.fromhex(message), bytes.fromhex(signature)
    assert is_signed(key, text, value)
    assert not is_signed(key, text + b"x", value)
    assert not is_signed(key, text, value[:-1] + bytes([value[-1] ^ 1]))
    assert not is_signed(key, text, bytes([value[0] ^ 1]) + value[1:])
    assert not is_signed(key[:-1] + bytes([key[-1] ^ 1]), text, value)


def test_a_signature_with_a_scalar_out_of_range_is_refused() -> None:
    key = Ed25519PrivateKey.generate()
    signature = key.sign(b"m")
    order = 2**252 + 27742317777372353535851937790883648493
    scalar = int.from_bytes(signature[32:], "little") + order
    assert not is_signed(key.public_key().public_bytes_raw(), b"m", signature[:32] + scalar.to_bytes(32, "little"))


@pytest.mark.parametrize("public", [b"\xff" * 32, (2**255 - 19 + 1).to_bytes(32, "little"), b"", b"\x00" * 31])
def test_a_key_that_is_not_the_encoding_of_a_point_verifies_nothing(public: bytes) -> None:
    assert not is_signed(public, b"m", bytes(64))


@settings(max_examples=25, deadline=None)
@given(seed=st.binary(min_size=32, max_size=32), message=st.binary(max_size=200), flip=st.integers(0, 511))
def test_ed25519_agrees_with_cryptography(seed: bytes, message: bytes, flip: int) -> None:
    key = Ed25519PrivateKey.from_private_bytes(seed)
    public, signature = key.public_key().public_bytes_raw(), bytearray(key.sign(message))
    assert is_signed(public, message, bytes(signature))
    signature[flip // 8] ^= 1 << flip % 8
    assert not is_signed(public, message, bytes(signature))


def root_by_definition(leaves: list[bytes]) -> bytes:
    """Return the root as RFC 6962 defines it, recursively."""
    if not leaves:
        return hashlib.sha256(b"").digest()
    if len(leaves) == 1:
        return leaves[0]
    middle = 1
    while middle * 2 < len(leaves):
        middle *= 2
    return node_hash(root_by_definition(leaves[:middle]), root_by_definition(leaves[middle:]))


def test_roots_and_proofs_of_every_size_up_to_seventy() -> None:
    leaves = [leaf_hash(bytes([number])) for number in range(70)]
    frontier = Frontier()
    for size in range(71):
        root = root_by_definition(leaves[:size])
        assert frontier.root() == root
        paths = inclusion_paths(range(size), size=size, leaves=leaves[:size])
        for index in range(size):
            assert is_included(leaves[index], index=index, size=size, path=paths[index], root=root)
            assert not is_included(leaves[index], index=index + 1, size=size, path=paths[index], root=root)
            assert not is_included(leaves[index - 1] if size > 1 else b"", index=index, size=size, path=paths[index], root=root)
            if paths[index]:
                assert not is_included(leaves[index], index=index, size=size, path=paths[index][:-1], root=root)
        if size < 70:
            frontier.append(leaves[size])


def test_the_rfc_6962_reference_root() -> None:
    """The eight leaves of the Certificate Transparency reference tests."""
    data = ["", "00", "10", "2021", "3031", "40414243", "5051525354555657", "606162636465666768696a6b6c6d6e6f"]
    frontier = Frontier()
    for item in data:
        frontier.append(leaf_hash(bytes.fromhex(item)))
    assert frontier.root().hex() == "5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328"


def test_a_frontier_that_does_not_fit_its_size_is_refused() -> None:
    with pytest.raises(ValueError, match="does not have"):
        Frontier(3, [b"x"])


def a_note(size: int = 7) -> tuple[VerifyingKey, bytes]:
    """Return a key and a checkpoint signed with it."""
    private = Ed25519PrivateKey.generate()
    key = VerifyingKey.named("example.com/log", private.public_key().public_bytes_raw())
    body = checkpoint_body("example.com/log", size, bytes(32))
    return key, body + b"\n" + signature_line(key, private.sign(body))


def test_a_note_round_trips() -> None:
    key, note = a_note()
    checkpoint = Checkpoint.parse(note)
    assert (checkpoint.origin, checkpoint.size, checkpoint.root) == ("example.com/log", 7, bytes(32))
    assert checkpoint.is_signed_by(key)
    assert VerifyingKey.parse(key.text) == key


@pytest.mark.parametrize(
    "change",
    [
        lambda note: note.replace(b"\n7\n", b"\n8\n"),
        lambda note: note.replace(b"AAAA", b"AAAB", 1),
        lambda note: note.replace(b"example.com/log\n7", b"example.com/lag\n7"),
        lambda note: note[:-3] + (b"A=\n" if note[-3:] != b"A=\n" else b"Q=\n"),
        lambda note: note.replace(b"\xe2\x80\x94", b"-"),
    ],
)
def test_a_changed_note_does_not_verify(change: object) -> None:
    key, note = a_note()
    with suppress(Malformed):
        assert not Checkpoint.parse(change(note)).is_signed_by(key)  # type: ignore[operator]


def test_a_note_of_another_key_does_not_verify() -> None:
    _, note = a_note()
    other, _ = a_note()
    assert not Checkpoint.parse(note).is_signed_by(other)


@pytest.mark.parametrize("text", ["", "a+b", "a+00000000+AQ==", "a b+00000000+AQ==", "a+00000000+!!"])
def test_what_is_not_a_vkey_is_refused(text: str) -> None:
    with pytest.raises(Malformed):
        VerifyingKey.parse(text)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53) + 1, 2**53 - 1) | st.text(st.characters(codec="utf-8"), max_size=8),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(st.characters(codec="utf-8"), max_size=6), inner, max_size=4),
    max_leaves=12,
)


@settings(deadline=None)
@given(JSON)
def test_canonical_json_agrees_with_rfc8785(value: object) -> None:
    stored = rfc8785.dumps(value)  # type: ignore[arg-type]
    assert canonical_json(value) == stored
    assert parse_canonical(stored) == value


@pytest.mark.parametrize("text", [b'{"a":1,"a":2}', b"1.5", b"NaN", b"{", b"\xff", b"[" * 100_000])
def test_json_without_one_meaning_is_refused(text: bytes) -> None:
    with pytest.raises(Malformed):
        parse_json(text)


@pytest.mark.parametrize("text", [b'{"b":1,"a":2}', b'{ "a":1}', b'"\\u0041"', b"1 "])
def test_json_out_of_canonical_form_is_refused(text: bytes) -> None:
    with pytest.raises(Malformed):
        parse_canonical(text)


def test_a_proof_has_the_c2sp_form() -> None:
    assert tlog_proof(index=5, path=[bytes(32)], note=b"checkpoint\n") == (
        b"c2sp.org/tlog-proof@v1\nindex 5\nAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=\n\ncheckpoint\n"
    )
