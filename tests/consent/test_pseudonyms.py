import hashlib
import hmac

from consent.pseudonyms import anonymous_user, is_pseudonym, pseudonym


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


def test_it_is_hmac_for_keys_of_any_length(settings):
    for length in (1, 63, 64, 65, 200):
        settings.ID_HASH_KEY = "é" * length
        expected = hmac.new(("é" * length).encode(), b"session\x00s1", hashlib.sha256).hexdigest()[:32]
        assert pseudonym("session", "s1") == expected
