"""What looks personal or secret, and what only seems to."""

import time

import pytest

from consent.registry.personal_data import finding, is_denied_name, is_persons_name, looks_random


@pytest.mark.parametrize(
    ("text", "kind"),
    [
        ("bob@example.com", "email"),
        ("sent to bob.jones+x@mail.example.co.uk today", "email"),
        ("bob%40example.com", "email"),
        ("bob＠example.com", "email"),  # a full-width sign
        ("root@localhost", "email"),
        ("10.0.0.1", "ip"),
        ("from 192.168.178.20:8080", "ip"),
        ("::1", "ip"),
        ("2001:db8::8a2e:370:7334", "ip"),
        ("[fe80::1]", "ip"),
        ("eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxIn0.c2ln", "token"),
        ("sk_live_abcdefghijkl", "token"),
        ("ghp_abcdefghijkl0123", "token"),
        ("AKIAIOSFODNN7EXAMPLE", "token"),
        ("Bearer abcdef.ghijkl", "token"),
        ("-----BEGIN PRIVATE KEY-----", "token"),
        ("dGhpc2lzYXRva2VuMTIzNDU2Nzg5", "token"),
        ("535cd3a37abcec926cd2c3e1de8d3be6", "token"),
        ("4b3f120f-fb14-479d-a11f-87b6919a9bf9", "token"),
        ("4111 1111 1111 1111", "card"),
        ("4111-1111-1111-1111", "card"),
        ("/home/jane/report.pdf", "home_directory"),
        ("file /Users/jane", "home_directory"),
        (r"C:\Users\Jane\Desktop", "home_directory"),
        ("https://host.example/a?b=c", "url"),
        ("https://jane:secret@host/", "email"),
        ("https://jane:secret@host.example/", "email"),
        ("/a?token=b", "url"),
    ],
)
def test_what_is_found(text: str, kind: str) -> None:
    assert finding(text) == kind


@pytest.mark.parametrize(
    "text",
    [
        "",
        "export",
        "export to PDF",
        "5.10.0",
        "10.0.19045.3803",
        "6.8.0-45-generic",
        "lodash@4.17.1",
        "12:34:56",
        "std::vector",
        "ActiveRecord::RecordNotFound",
        "AbstractSingletonProxyFactoryBean",
        "user_has_clicked_the_button_in_2026",
        "a-very-long-feature-name-with-dashes",
        "/users/{id}",
        "/home",
        "4111 1111 1111 1112",
        "https://host.example/a",
        "Europe/Berlin",
        "What now?",
    ],
)
def test_what_is_harmless(text: str) -> None:
    assert finding(text) is None


@pytest.mark.parametrize("word", ["short1A", "internationalization", "x" * 40, "get_user_by_name_v2"])
def test_words_of_a_language_are_not_random(word: str) -> None:
    assert not looks_random(word)


@pytest.mark.parametrize(
    "name",
    [
        "api_key",
        "apiKey",
        "http.authorization",
        "username",
        "userName",
        "user.email",
        "client.address",
        "APIKey",
        "project_name",
    ],
)
def test_names_that_are_denied(name: str) -> None:
    assert is_denied_name(name)


@pytest.mark.parametrize(
    "name",
    ["keyboard", "author", "tokenizer", "login_method", "page.path", "has_client", "shipping", "monkey"],
)
def test_names_that_only_contain_such_a_word(name: str) -> None:
    assert not is_denied_name(name)


@pytest.mark.parametrize(
    "piece", ["a", "a.", "1", "1 ", "a@", "@", "/", ":", "::", "a-", "%40", "eyJ", "eyJaaaa.", "http://a"]
)
def test_time_grows_with_length_and_no_faster(piece: str) -> None:
    """Four times the text takes about four times the work; with a quadratic pattern it would be sixteen."""

    def work(characters: int) -> float:
        text, spent = piece * (characters // len(piece)), []
        for _ in range(3):
            started = time.process_time()
            finding(text)
            spent.append(time.process_time() - started)
        return min(spent)

    assert work(80_000) < 10 * max(work(20_000), 0.005)


@pytest.mark.parametrize("name", ["email", "userName", "full_name", "customer.name", "e_mail", "telephone"])
def test_names_of_persons(name: str) -> None:
    assert is_persons_name(name)
    assert is_denied_name(name)


@pytest.mark.parametrize("name", ["password", "host_name", "api_key", "ip", "feature.name", "name"])
def test_names_of_things(name: str) -> None:
    assert not is_persons_name(name)


@pytest.mark.parametrize(
    ("text", "kind"),
    [
        ("4111111111111", None),  # 13 digits, and not Luhn's
        ("4222222222222", "card"),  # 13 digits
        ("0000000000000000", None),
        ("422222222222", None),  # 12
        ("a.b@c", "email"),
        ("1.2.3.4.5", None),
        ("v1.2.3.4", None),
        ("999.1.2.3", "ip"),
        ("ab:cd", None),
        (r"D:\\Users\\Jane", "home_directory"),
        ("x?a=b", "url"),
        ("eyJhbGc.eyJz", "token"),
        ("Bearer abcdefg", None),
        ("bearer abcdefgh", "token"),
        ("a1b2c3d4e5f6a7b8c9d0", "token"),
        ("abcdefabcdefabcdefab", None),
    ],
)
def test_at_the_borders_of_what_is_found(text: str, kind: str | None) -> None:
    assert finding(text) == kind


def test_a_word_of_fifteen_characters_is_no_digest() -> None:
    assert not looks_random("a1b2c3d4e5f6a7b")
    assert looks_random("a1b2c3d4e5f6a7b8")
    assert not looks_random("abcdefabcdefabcd")
