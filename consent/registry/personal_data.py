"""Personal and secret data: what a value must not look like, and what an attribute must not be called.

The registry is the first line of defence: what is not declared is not stored. This is the second, for
declared values and for the names of features, actions, event types and routes. Every pattern is bounded, so
that checking even a hostile value takes time only in proportion to its length.
"""

import ipaddress
import re
import unicodedata
from functools import lru_cache
from itertools import pairwise
from urllib.parse import unquote

# A name is denied if it contains one of these words, or one of these pairs of words in a row. Whole words
# only: `keyboard`, `author`, `tokenizer` are harmless.
DENIED_WORDS = frozenset(
    (
        *("password", "passwd", "passphrase", "pwd", "secret", "secrets", "token"),
        *("tokens", "jwt", "bearer", "authorization", "cookie", "cookies", "credential"),
        *("credentials", "apikey", "email", "emails", "mail", "username", "usernames"),
        *("fullname", "firstname", "lastname", "surname", "nickname", "phone", "telephone"),
        *("fax", "address", "ip", "ipaddress", "ssn", "iban", "bic"),
        *("birthday", "birthdate", "dob", "fingerprint", "hostname", "useragent", "latitude"),
        *("longitude", "passport", "creditcard", "cvv", "signature"),
    )
)
DENIED_RUNS = frozenset(
    (
        *(("api", "key"), ("access", "key"), ("private", "key"), ("secret", "key"), ("license", "key")),
        *(("user", "name"), ("full", "name"), ("first", "name"), ("last", "name"), ("display", "name")),
        *(("e", "mail"), ("ip", "addr"), ("mac", "addr"), ("phone", "number"), ("user", "agent")),
        *(("credit", "card"), ("card", "number"), ("host", "name"), ("set", "cookie"), ("query", "string")),
        *(("project", "name"), ("client", "name"), ("customer", "name"), ("company", "name")),
        *(("person", "name"), ("login", "name"), ("mobile", "number")),
    )
)
# Those whose values name a person or a customer; other texts of the same event may repeat the name.
PERSONS_WORDS = frozenset(
    (
        *("email", "emails", "mail", "username", "usernames", "fullname", "firstname", "lastname", "surname"),
        *("nickname", "phone", "telephone"),
    )
)
PERSONS_RUNS = frozenset(
    run for run in DENIED_RUNS if (run[1] == "name" and run[0] != "host") or run == ("e", "mail")
)
_WORDS = re.compile(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+|\d+")


def is_denied_name(name: str) -> bool:
    """Whether an attribute of this name is never stored, whatever its value."""
    return _has(name, DENIED_WORDS, DENIED_RUNS)


def is_persons_name(name: str) -> bool:
    """Whether an attribute of this name holds the name of a person, a customer or a project."""
    return _has(name, PERSONS_WORDS, PERSONS_RUNS)


def _has(name: str, words: frozenset[str], runs: frozenset[tuple[str, str]]) -> bool:
    parts = [word.lower() for word in _WORDS.findall(name)]
    return not words.isdisjoint(parts) or any(run in runs for run in pairwise(parts))


# Most values by far are plain words, and cost no more than this one match.
_PLAIN = re.compile(r"(?!eyJ|[Bb]earer)[A-Za-z_]{0,19}(?:[ .-][A-Za-z_]{1,19}){0,5}")

# A host may lack a dot: `jane@intranet`. A number after the @ is a version: `lodash@4.17`.
_EMAIL = re.compile(r"[^\s@/]{1,64}@(?:[^\W\d_]|[\w-]{1,63}(?:\.[\w-]{1,63}){0,8}\.[^\W\d_]{2,24})")
# Octets above 255 count too: an address with a digit stuck to it still reveals the address.
_IPV4 = re.compile(r"(?<![\w.])(?:\d{1,3}\.){3}\d{1,3}(?![\w]|\.\d)")
_IPV6 = re.compile(r"(?<![\w:])[0-9A-Fa-f:]{3,39}(?![\w:])")
_JWT = re.compile(r"eyJ[\w-]{4,4096}\.[\w-]{4}")
_KNOWN_SECRET = re.compile(
    r"\b(?:sk|pk|rk)[-_](?:live|test|proj|ant)?[-_]?[A-Za-z0-9]{12}|\bgh[opsu]_[A-Za-z0-9]{12}|\bgithub_pat_"
    r"|\bglpat-|\bxox[abeprs]-|\b(?:AKIA|ASIA)[0-9A-Z]{12}|\bAIza[\w-]{20}|\bya29\.|\bcnd_[\w-]{8}"
    r"|\bnpm_[A-Za-z0-9]{12}|\bpypi-[\w-]{12}|\bhf_[A-Za-z0-9]{12}|\bSG\.[\w-]{12}|\bdop_v1_|\bshpat_"
    r"|-----BEGIN|\b[Bb]earer\s[\w+/=.-]{8}"
)
_CARD = re.compile(r"(?<!\d)\d(?:[ -]?\d){12,18}(?!\d)")
_HOME = re.compile(r"(?:^|[^\w])(?:/home/|/Users/)[^/\\\s]|[A-Za-z]:[\\/]{1,2}Users[\\/]{1,2}[^/\\\s]")
_URL = re.compile(r"\w{2,12}://(?:[^\s/?#]{0,255}@|[^\s?#]{0,2000}[?#])|[?&][\w.$-]{1,64}=")
_UUID = re.compile(r"(?<![0-9A-Fa-f])[0-9A-Fa-f]{8}(?:-?[0-9A-Fa-f]{4}){3}-?[0-9A-Fa-f]{12}(?![0-9A-Fa-f])")
_LONG_WORD = re.compile(r"[A-Za-z0-9_+/=-]{20,}")
_HEX = re.compile(r"[0-9A-Fa-f]+")


@lru_cache(maxsize=8192)
def finding(text: str) -> str | None:
    """The kind of personal or secret data that `text` seems to hold (`email`, `token`, …), or None."""
    if _PLAIN.fullmatch(text):
        return None
    text = unicodedata.normalize("NFKC", unquote(text))  # `bob%40example.com`, full-width letters
    if "@" in text and _EMAIL.search(text):
        return "email"
    if _IPV4.search(text) or (":" in text and any(map(_is_ipv6, _IPV6.findall(text)))):
        return "ip"
    if _JWT.search(text) or _KNOWN_SECRET.search(text):
        return "token"
    if any(map(_is_card_number, _CARD.findall(text))):
        return "card"
    if _HOME.search(text):
        return "home_directory"
    if _URL.search(text):
        return "url"
    if _UUID.search(text) or any(map(looks_random, _LONG_WORD.findall(text))):
        return "token"
    return None


def looks_random(word: str) -> bool:
    """Whether a word of 16 characters or more looks like a digest or a key rather than like language.

    Ordinary words have few digits, and their case changes at word borders only.
    """
    if len(word) < 16:
        return False
    digits = sum(map(str.isdigit, word))
    if _HEX.fullmatch(word):
        return digits > 0
    changes = sum(_kind(a) != _kind(b) for a, b in pairwise(word))
    return (digits >= 3 and changes >= len(word) // 4) or changes > len(word) // 2


def _kind(character: str) -> str:
    return "d" if character.isdigit() else "u" if character.isupper() else "l"


def _is_ipv6(candidate: str) -> bool:
    if candidate.count(":") < 2 or not any(map(str.isalnum, candidate)):
        return False
    try:
        ipaddress.IPv6Address(candidate)
    except ValueError:
        return False
    return True


def _is_card_number(candidate: str) -> bool:
    """Luhn's check (ISO/IEC 7812-1): double every second digit from the right; the sum divides by ten."""
    digits = [int(character) for character in candidate if character.isdigit()][::-1]
    doubled = (sum(divmod(2 * digit, 10)) for digit in digits[1::2])
    return len(set(digits)) > 1 and (sum(digits[::2]) + sum(doubled)) % 10 == 0
