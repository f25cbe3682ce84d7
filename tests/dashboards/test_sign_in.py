"""Failed sign-ins are limited by account and by client; Redis never learns an address or a name."""

import re
from collections.abc import Iterator
from uuid import uuid4

import pytest
import redis
from django.conf import LazySettings
from django.contrib.auth.models import User
from django.core import signing
from django.test import Client, RequestFactory

from consent.api import rate_limits
from dashboards import known_browsers, sign_in

pytestmark = pytest.mark.django_db
PASSWORD = "correct horse battery"
THROTTLED = "Too many failed attempts to sign in. Try again in 15 minutes."


@pytest.fixture
def store(settings: LazySettings) -> Iterator["redis.Redis"]:
    """Nothing is counted before and after a test."""
    settings.PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]  # quick
    connection = redis.Redis.from_url(settings.REDIS_URL)

    def clear() -> None:
        for key in connection.scan_iter("candid:limit:*"):
            connection.delete(key)

    clear()
    yield connection
    clear()


@pytest.fixture
def name(store: "redis.Redis") -> str:
    name = f"sam-{uuid4().hex[:8]}"
    User.objects.create_user(name, password=PASSWORD, is_staff=True)
    return name


def attempt(client: Client, name: str, password: str = "wrong", page: str = "/accounts/login/", **more: str):
    return client.post(page, {"username": name, "password": password}, **more)


@pytest.mark.parametrize("page", ["/accounts/login/", "/admin/login/"])
def test_a_blocked_account_refuses_even_the_right_password(client: Client, name: str, page: str) -> None:
    for _ in range(sign_in.PER_ACCOUNT):
        assert THROTTLED not in attempt(client, name, page=page).text
    assert THROTTLED in attempt(client, name, page=page).text
    assert THROTTLED in attempt(client, name, PASSWORD, page=page).text
    assert THROTTLED in attempt(client, name.upper(), page=page).text


def test_both_pages_count_together(client: Client, name: str) -> None:
    for number in range(sign_in.PER_ACCOUNT):
        attempt(client, name, page="/admin/login/" if number % 2 else "/accounts/login/")
    assert THROTTLED in attempt(client, name).text


@pytest.mark.parametrize("page", ["/accounts/login/", "/admin/login/"])
def test_strangers_cannot_lock_an_account_out_of_a_browser_that_it_knows(
    client: Client, name: str, page: str
) -> None:
    assert attempt(client, name, PASSWORD, page=page).status_code == 302
    del client.cookies["sessionid"]
    for _ in range(sign_in.PER_ACCOUNT + 1):
        attempt(Client(), name, REMOTE_ADDR="192.0.2.7")
    assert THROTTLED in attempt(Client(), name, PASSWORD).text  # from any other browser
    assert attempt(client, name, PASSWORD, page=page).status_code == 302


def test_a_known_browser_may_not_try_passwords_without_end_either(client: Client, name: str) -> None:
    attempt(client, name, PASSWORD)
    del client.cookies["sessionid"]
    for _ in range(sign_in.PER_ACCOUNT):
        assert THROTTLED not in attempt(client, name).text
    assert THROTTLED in attempt(client, name, PASSWORD).text
    assert attempt(Client(), name, PASSWORD).status_code == 302  # the account itself is not blocked


def test_the_cookie_of_a_known_browser_is_for_its_accounts_and_names_none(
    client: Client, name: str, settings: LazySettings
) -> None:
    settings.SESSION_COOKIE_SECURE = True
    attempt(client, name, PASSWORD)
    cookie = client.cookies["candid_known_browser"]
    assert (cookie["httponly"], cookie["secure"], cookie["samesite"]) == (True, True, "Lax")
    assert cookie["max-age"] == 180 * 24 * 3600
    content = str(signing.loads(cookie.value, salt="dashboards.known_browser"))
    assert name not in content
    assert name not in cookie.value
    request = RequestFactory().get("/")
    for value, account, known in (
        (cookie.value, name.upper(), True),
        (cookie.value, "somebody else", False),
        (cookie.value[:-1] + "x", name, False),
        ("", name, False),
    ):
        request.COOKIES["candid_known_browser"] = value
        assert bool(known_browsers.id_for(request, account)) == known


def test_a_browser_knows_its_latest_five_accounts() -> None:
    request = RequestFactory().get("/")
    for number in range(6):
        known_browsers.remember(request, f"sam {number}")
        request.COOKIES["candid_known_browser"] = signing.dumps(
            request.known_browser,
            salt="dashboards.known_browser",
        )
    assert [bool(known_browsers.id_for(request, f"sam {number}")) for number in range(6)] == [False] + [
        True
    ] * 5


def test_a_failed_attempt_leaves_no_cookie(client: Client, name: str) -> None:
    attempt(client, name)
    assert "candid_known_browser" not in client.cookies


def test_failed_and_refused_sign_ins_are_logged_without_names_and_counted(
    client: Client, name: str, caplog: pytest.LogCaptureFixture
) -> None:
    before = sign_ins(client)
    for _ in range(sign_in.PER_ACCOUNT + 2):
        attempt(client, name, REMOTE_ADDR="192.0.2.7")
    attempt(client, "another", REMOTE_ADDR="192.0.2.8")
    User.objects.create_user("ann", password=PASSWORD)
    attempt(client, "ann", PASSWORD)

    assert {what: number - before[what] for what, number in sign_ins(client).items()} == {
        "accepted": 1,
        "failed": 11,
        "refused": 2,
    }
    lines = [record.getMessage() for record in caplog.records if record.name == "dashboards.sign_in"]
    assert lines.count("a sign-in failed") == 11
    assert lines.count("a sign-in was refused: too many had failed") == 2
    assert len(lines) == 13
    assert not any(text in caplog.text for text in (name, "another", "192.0.2", "ann"))


def sign_ins(client: Client) -> dict[str, float]:
    figures = re.findall(r'candid_sign_ins_total{outcome="(\w+)"} (\S+)', client.get("/metrics").text)
    return {"accepted": 0, "failed": 0, "refused": 0} | {what: float(number) for what, number in figures}


def test_another_account_and_another_client_are_not_blocked(client: Client, name: str) -> None:
    for _ in range(sign_in.PER_ACCOUNT + 1):
        attempt(client, "somebody else")
    assert attempt(client, name, PASSWORD).status_code == 302


def test_an_account_that_does_not_exist_is_answered_alike(client: Client, store: "redis.Redis") -> None:
    for _ in range(sign_in.PER_ACCOUNT):
        attempt(client, "nobody")
    assert THROTTLED in attempt(client, "nobody").text


def test_a_client_that_tries_many_accounts_is_kept_out(client: Client, name: str) -> None:
    for number in range(sign_in.PER_CLIENT):
        attempt(client, f"guess {number}", REMOTE_ADDR="192.0.2.7")
    assert THROTTLED in attempt(client, name, PASSWORD, REMOTE_ADDR="192.0.2.7").text
    assert attempt(client, name, PASSWORD, REMOTE_ADDR="192.0.2.8").status_code == 302


def test_signing_in_forgets_the_failures(client: Client, name: str) -> None:
    for _ in range(3):
        for _ in range(sign_in.PER_ACCOUNT - 1):
            attempt(client, name)
        assert attempt(client, name, PASSWORD).status_code == 302
        client.logout()


def test_the_last_failure_but_one_still_leaves_a_try(client: Client, name: str) -> None:
    for number in range(sign_in.PER_CLIENT - 1):
        sign_in.spend(f"guess {number}", "127.0.0.1")
    assert attempt(client, name, PASSWORD).status_code == 302


def test_signing_in_gives_a_client_back_one_attempt_and_no_more(name: str) -> None:
    for _ in range(sign_in.PER_CLIENT + 1):  # nobody is kept out for signing in often
        assert sign_in.spend(name, "192.0.2.7") == 0
        sign_in.forgive(name, "192.0.2.7")
    for number in range(sign_in.PER_CLIENT):
        assert sign_in.spend(f"guess {number}", "192.0.2.7") == 0
    assert sign_in.spend(name, "192.0.2.7") > 0
    sign_in.forgive(name, "192.0.2.7")
    assert sign_in.spend(name, "192.0.2.7") > 0


def test_an_account_that_is_not_staff_cannot_enter_the_admin_and_counts_as_a_failure(
    client: Client, name: str
) -> None:
    User.objects.update(is_staff=False)
    for _ in range(sign_in.PER_ACCOUNT):
        assert attempt(client, name, PASSWORD, page="/admin/login/").status_code == 200
    assert THROTTLED in attempt(client, name, PASSWORD, page="/admin/login/").text


@pytest.mark.parametrize(
    ("seconds", "words"), [(900, "15 minutes"), (61, "2 minutes"), (60, "1 minute."), (1, "1 minute.")]
)
def test_the_wait_is_the_longer_one_in_minutes_rounded_up(
    client: Client, name: str, store: "redis.Redis", seconds: int, words: str
) -> None:
    for _ in range(sign_in.PER_ACCOUNT):
        sign_in.spend(name, "127.0.0.1")
    for number in range(sign_in.PER_CLIENT):
        sign_in.spend(f"guess {number}", "127.0.0.1")
    digests = {what: rate_limits._name(what) for what, _ in sign_in._counters(name, "127.0.0.1")}
    for number, digest in enumerate(digests.values()):
        store.expire(digest, seconds if number else 1)
    assert f"Try again in {words}" in attempt(client, name).text


def test_ten_failures_of_an_account_and_fifty_of_a_client_are_the_limits(store: "redis.Redis") -> None:
    assert [sign_in.spend("sam", f"192.0.2.{number}") > 0 for number in range(11)] == [False] * 10 + [True]
    assert [sign_in.spend(f"sam {number}", "::") > 0 for number in range(51)] == [False] * 50 + [True]


def test_space_around_a_name_starts_no_second_count(client: Client, name: str) -> None:
    for _ in range(sign_in.PER_ACCOUNT):
        sign_in.spend(f" {name.upper()} ", "127.0.0.1")
    assert THROTTLED in attempt(client, name).text


def test_a_form_without_a_name_counts_nothing(client: Client, name: str, store: "redis.Redis") -> None:
    assert attempt(client, "", PASSWORD).status_code == 200
    assert not list(store.scan_iter("candid:limit:*"))


def test_a_sign_in_that_outlasts_its_count_leaves_none_for_good(name: str, store: "redis.Redis") -> None:
    sign_in.forgive(name, "192.0.2.7")
    assert [0 < store.ttl(key) <= sign_in.WINDOW for key in store.scan_iter("candid:limit:*")] == [True]


def test_a_count_without_an_end_gets_one(client: Client, name: str, store: "redis.Redis") -> None:
    for _ in range(sign_in.PER_ACCOUNT):
        attempt(client, name)
    for key in store.scan_iter("candid:limit:*"):
        store.persist(key)
    assert THROTTLED in attempt(client, name).text
    assert all(store.ttl(key) > 0 for key in store.scan_iter("candid:limit:*"))


def test_an_ipv4_client_is_the_same_when_mapped_to_ipv6(client: Client, name: str) -> None:
    for number in range(sign_in.PER_CLIENT):
        attempt(client, f"guess {number}", REMOTE_ADDR=f"{'::ffff:' if number % 2 else ''}192.0.2.7")
    for address in ("192.0.2.7", "::ffff:192.0.2.7"):
        assert THROTTLED in attempt(client, name, PASSWORD, REMOTE_ADDR=address).text
    assert attempt(client, name, PASSWORD, REMOTE_ADDR="::ffff:192.0.2.8").status_code == 302


def test_redis_learns_no_name_and_no_address_and_forgets(
    client: Client, name: str, store: "redis.Redis"
) -> None:
    attempt(client, name, REMOTE_ADDR="192.0.2.7")
    keys = list(store.scan_iter("candid:limit:*"))
    assert len(keys) == 2
    for key in keys:
        assert name.encode() not in key
        assert b"192.0.2" not in key
        assert 0 < store.ttl(key) <= sign_in.WINDOW


def test_without_redis_nobody_is_kept_out_and_the_log_says_so(
    client: Client,
    name: str,
    settings: LazySettings,
    caplog: pytest.LogCaptureFixture,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    settings.REDIS_URL = "redis://127.0.0.1:1/0"
    monkeypatch.setattr(rate_limits, "_complained_at", float("-inf"))
    for _ in range(sign_in.PER_ACCOUNT + 1):
        attempt(client, name)
    assert attempt(client, name, PASSWORD).status_code == 302
    assert "sign-ins are not limited" in caplog.text
    assert name not in caplog.text


@pytest.mark.parametrize(
    ("remote", "forwarded", "client"),
    [
        ("192.0.2.7", "", "192.0.2.7"),
        ("192.0.2.7", "198.51.100.1", "192.0.2.7"),  # no proxy of ours: what it says is not believed
        ("10.0.0.5", "198.51.100.1", "198.51.100.1"),
        ("10.0.0.5", "203.0.113.9, 198.51.100.1", "198.51.100.1"),
        ("10.0.0.5", "198.51.100.1, 10.0.0.6", "198.51.100.1"),
        ("::ffff:10.0.0.5", "203.0.113.9, ::ffff:198.51.100.1", "198.51.100.1"),
        ("10.0.0.5", "", "10.0.0.5"),
        ("10.0.0.5", "nonsense", "10.0.0.5"),
        ("2001:db8::1:2:3:4", "", "2001:db8::/64"),
        ("", "", ""),
    ],
)
def test_whose_failures_are_counted_together(
    remote: str, forwarded: str, client: str, settings: LazySettings
) -> None:
    settings.TRUSTED_PROXIES = ["10.0.0.0/24"]
    headers = {"HTTP_X_FORWARDED_FOR": forwarded} if forwarded else {}
    request = RequestFactory().get("/", REMOTE_ADDR=remote, **headers)
    assert sign_in.client_of(request) == client
