"""Pseudonyms: the same digits for the same kind, id and key, and nothing in common otherwise."""

import hashlib
import hmac

import pytest

from consent.pseudonyms import KINDS, anonymous_user, is_pseudonym, keyed_digest, pseudonym


def test_a_pseudonym_is_keyed_and_separates_kinds(settings):
    settings.ID_HASH_KEY = "first"
    expected = hmac.new(b"first", b"user\x0042", hashlib.sha256).hexdigest()[:32]
    assert pseudonym("user", "42") == expected
    assert pseudonym("organization", "42") != expected
    settings.ID_HASH_KEY = "second"
    assert pseudonym("user", "42") != expected


def test_a_lone_surrogate_is_hashed_like_any_other_id():
    assert is_pseudonym(pseudonym("user", "\ud800"))


def test_an_event_without_a_user_gets_a_stand_in_of_its_session_first():
    session, installation = "a" * 32, "b" * 32
    assert anonymous_user(session=session, installation=installation) == "anon:" + "a" * 27
    assert anonymous_user(installation=installation) == "anon:" + "b" * 27
    assert anonymous_user() == "anon:" + "0" * 27


@pytest.mark.parametrize("length", [1, 63, 64, 65, 200])
def test_it_is_hmac_for_keys_of_any_length(settings, length):
    for letter in ("k", "é"):
        settings.ID_HASH_KEY = key = letter * length
        expected = hmac.new(key.encode(), b"session\x00s1", hashlib.sha256).hexdigest()[:32]
        assert pseudonym("session", "s1") == expected


def test_there_are_four_kinds_of_id():
    assert len({pseudonym(kind, "1") for kind in KINDS}) == 4
    with pytest.raises(ValueError, match="no such kind"):
        pseudonym("somebody", "1")


@pytest.mark.parametrize("text", ["", "a" * 31, "a" * 33, "A" * 32, "g" * 32, "anon:" + "a" * 27])
def test_what_is_no_pseudonym(text):
    assert not is_pseudonym(text)


def test_a_session_goes_before_an_installation_before_an_organization():
    names = {"session": "a" * 32, "installation": "b" * 32, "organization": "c" * 32}
    assert anonymous_user(**names)[5] == "a"
    assert anonymous_user(**names | {"session": ""})[5] == "b"
    assert anonymous_user(organization="c" * 32) == "anon:" + "c" * 27


def test_a_digest_of_a_row_depends_on_the_key_and_has_its_size(settings):
    settings.ID_HASH_KEY = "golden"
    assert keyed_digest(b"x", 16).hex() == "b1d16e34eb0159727d24bb4f2072b5a7"
    settings.ID_HASH_KEY = "k" * 70  # BLAKE2b takes 64 bytes
    assert keyed_digest(b"x", 16) == keyed_digest(b"x", 16)
    assert len(keyed_digest(b"x", 64)) == 64
