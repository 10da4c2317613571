"""The format of a key: it survives a round trip, and no typo does."""

import re
import zlib

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from auth.store.key_format import ALPHABET, ApiKey, new_key, parse

KEY = ApiKey(public_id="a1B2c3D4", secret="s" * 43)

keys = st.builds(
    ApiKey, public_id=st.text(ALPHABET, min_size=8, max_size=8), secret=st.text(ALPHABET, min_size=43, max_size=43)
)


@settings(max_examples=50)
@given(keys)
def test_what_is_written_is_read(key: ApiKey) -> None:
    assert parse(key.text) == key
    assert re.fullmatch(r"tkt_live_[0-9A-Za-z]{8}_[0-9A-Za-z]{49}", key.text)


@settings(max_examples=50)
@given(keys, st.data())
def test_no_typo_of_one_character_is_taken_for_a_key(key: ApiKey, data: st.DataObject) -> None:
    """CRC-32 detects every burst error of up to 32 bits (Koopman, 2002)."""
    place = data.draw(st.integers(0, len(key.text) - 1))
    typed = data.draw(st.sampled_from([char for char in ALPHABET + "_- " if char != key.text[place]]))

    assert parse(key.text[:place] + typed + key.text[place + 1 :]) is None


@settings(max_examples=50)
@given(st.text(max_size=80))
def test_other_texts_are_no_keys(text: str) -> None:
    assert parse(text) is None


@pytest.mark.parametrize("text", [KEY.text + "0", KEY.text[:-1], f" {KEY.text}", f"{KEY.text}\n", KEY.text.upper(), ""])
def test_a_key_with_more_or_less_around_it_is_none(text: str) -> None:
    assert parse(text) is None


def test_the_checksum_is_crc_32_of_all_before_it_in_base_62() -> None:
    number = 0
    for digit in KEY.text[-6:]:
        number = number * 62 + "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz".index(digit)

    assert number == zlib.crc32(KEY.text[:-6].encode())


def test_new_keys_differ_and_show_no_secret() -> None:
    one, other = new_key(), new_key()

    assert one.public_id != other.public_id
    assert one.secret != other.secret
    assert one.secret not in repr(one)
