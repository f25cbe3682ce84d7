"""Signing in, for the pages and the admin: a form that bounds guessing, by account and by client.

Failures are counted in Redis under keyed digests that expire: no address and no name is kept there.
With Redis away nobody is kept out, and the log says so.
"""

import logging
from functools import lru_cache
from ipaddress import IPv6Address, ip_address, ip_network
from typing import Any

import redis
from django.conf import settings
from django.contrib.admin.forms import AdminAuthenticationForm
from django.contrib.auth.forms import AuthenticationForm
from django.core.exceptions import ValidationError
from django.http import HttpRequest
from django.utils.crypto import salted_hmac

logger = logging.getLogger(__name__)

WINDOW = 15 * 60  # seconds
PER_ACCOUNT = 10  # failures within a window, from wherever
PER_CLIENT = 50  # failures within a window, for whatever accounts: an office may share an address
REDIS_TIMEOUT = 0.5  # seconds


class ThrottledForm(AuthenticationForm):
    """Django's form, behind the count. The sentence is the same whether or not there is such an account."""

    is_throttled = False

    def clean(self) -> dict[str, Any]:
        account, client = self.cleaned_data.get("username"), client_of(self.request)
        if not account:
            return super().clean()
        wait = spend(account, client)
        if wait:
            self.is_throttled, minutes = True, -(-wait // 60)
            again = f"{minutes} minute{'s' if minutes > 1 else ''}"
            raise ValidationError(
                f"Too many failed attempts to sign in. Try again in {again}.", code="throttled"
            )
        cleaned = super().clean()
        forgive(account, client)
        return cleaned


class ThrottledAdminForm(ThrottledForm, AdminAuthenticationForm):
    """The same for the admin's own sign-in page, which wants staff."""


def spend(account: str, client: str) -> int:
    """Count an attempt as failed until it is forgiven; 0, or the seconds after which to try again."""
    keys = _keys(account, client)
    try:
        pipeline = _redis().pipeline()
        for key, _ in keys:
            pipeline.set(key, 0, ex=WINDOW, nx=True)
            pipeline.incr(key)
            pipeline.ttl(key)
        answers = pipeline.execute()
    except redis.RedisError as error:
        logger.error("sign-ins are not throttled: Redis does not answer (%s)", type(error).__name__)
        return 0
    counted = zip(answers[1::3], answers[2::3], keys, strict=True)
    return max([ttl for count, ttl, (_, limit) in counted if count > limit], default=0)


def forgive(account: str, client: str) -> None:
    """Take an attempt that succeeded out of the count, and the account's failures before it."""
    (own, _), (shared, _) = _keys(account, client)
    try:
        pipeline = _redis().pipeline()
        pipeline.delete(own)
        pipeline.decr(shared)
        pipeline.execute()
    except redis.RedisError as error:
        logger.error("a sign-in still counts as failed: Redis does not answer (%s)", type(error).__name__)


def client_of(request: HttpRequest | None) -> str:
    """Whose failures are counted together: an IPv4 address, or the 64 bits of an IPv6 network."""
    if request is None:
        return ""
    proxies = [ip_network(proxy, strict=False) for proxy in settings.TRUSTED_PROXIES]
    hops = [request.META.get("REMOTE_ADDR", ""), *_forwarded(request)]
    client = ""
    for hop in hops:  # from us outwards: what a trusted proxy says is believed, and nobody beyond
        try:
            address = ip_address(hop)
        except ValueError:
            break
        client = str(ip_network((int(address) >> 64 << 64, 64))) if isinstance(address, IPv6Address) else hop
        if not any(address in proxy for proxy in proxies):
            break
    return client


def _forwarded(request: HttpRequest) -> list[str]:
    said = request.META.get("HTTP_X_FORWARDED_FOR", "")
    return [hop.strip() for hop in reversed(said.split(","))]


def _keys(account: str, client: str) -> tuple[tuple[str, int], tuple[str, int]]:
    """The keys in Redis, and how many failures each may have."""
    return (
        (f"sign-in:account:{_digest('account', account.strip().casefold())}", PER_ACCOUNT),
        (f"sign-in:client:{_digest('client', client)}", PER_CLIENT),
    )


def _digest(kind: str, text: str) -> str:
    return salted_hmac(f"candid.sign-in.{kind}", text, algorithm="sha256").hexdigest()[:32]


@lru_cache(maxsize=4)
def _client(url: str) -> redis.Redis:
    return redis.Redis.from_url(url, socket_timeout=REDIS_TIMEOUT, socket_connect_timeout=REDIS_TIMEOUT)


def _redis() -> redis.Redis:
    return _client(settings.REDIS_URL)
