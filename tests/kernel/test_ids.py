"""Identifiers carry their kind: a wrong one fails when it is parsed."""

from __future__ import annotations

import uuid

import pytest
import uuid_utils
from typeid import TypeID

from kernel.errors import InvalidIdentifier
from kernel.ids import Prefix, decode, encode, new_id


def test_an_identifier_survives_the_border() -> None:
    key = new_id()
    text = encode(Prefix.PROPOSAL, key)
    assert text.startswith("prop_")
    assert decode(Prefix.PROPOSAL, text) == key


@pytest.mark.parametrize("key", [new_id(), uuid.UUID(int=0), uuid.UUID(int=2**128 - 1), uuid.UUID("018e3f1a-9c3e-7bbb-8abc-0123456789ab")])
def test_an_identifier_is_what_the_specification_says(key: uuid.UUID) -> None:
    assert encode(Prefix.PROPOSAL, key) == str(TypeID.from_uuid(uuid_utils.UUID(int=key.int), prefix="prop"))


def test_keys_are_uuidv7_in_order_of_creation() -> None:
    keys = [new_id() for _ in range(200)]
    assert all(key.version == 7 for key in keys)
    assert keys == sorted(keys)


def test_a_wrong_kind_is_named() -> None:
    agent = encode(Prefix.AGENT, new_id())
    with pytest.raises(InvalidIdentifier, match="identifies a agent; expected one that starts with prop_"):
        decode(Prefix.PROPOSAL, agent)


@pytest.mark.parametrize("text", ["", "prop_", "prop_zzz", "01h455vb4pex5vsknk084sn02q", "prop_81h455vb4pex5vsknk084sn02q", "' OR 1=1 --"])
def test_garbage_is_refused(text: str) -> None:
    with pytest.raises(InvalidIdentifier):
        decode(Prefix.PROPOSAL, text)
