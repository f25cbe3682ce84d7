"""Signing in, for the pages and the admin: a form that bounds guessing, by account and by client.

Failures are counted in Redis under keyed digests that expire (`consent/api/rate_limits.py`): no address and
no name is kept there. With Redis away nobody is kept out, and the log says so.
"""

from ipaddress import IPv6Address, ip_network
from typing import Any

from django.contrib.admin.forms import AdminAuthenticationForm
from django.contrib.auth.forms import AuthenticationForm
from django.core.exceptions import ValidationError
from django.http import HttpRequest

from consent.api import rate_limits
from consent.api.proxies import address_of, is_proxy

WINDOW = 15 * 60  # seconds
PER_ACCOUNT = 10  # failures within a window, from wherever
PER_CLIENT = 50  # failures within a window, for whatever accounts: an office may share an address


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
    wait = 0
    for what, most in _counted(account, client):
        try:
            rate_limits.spend(what, most=most, seconds=WINDOW)
        except rate_limits.TooOften as refused:
            wait = max(wait, refused.again_after)
    return wait


def forgive(account: str, client: str) -> None:
    """Take an attempt that succeeded out of the count, and the account's failures before it."""
    (own, _), (shared, _) = _counted(account, client)
    rate_limits.forget(own)
    rate_limits.give_back(shared, seconds=WINDOW)


def client_of(request: HttpRequest | None) -> str:
    """Whose failures are counted together: an IPv4 address, or the 64 bits of an IPv6 network."""
    if request is None:
        return ""
    client = ""
    for hop in [request.META.get("REMOTE_ADDR", ""), *_forwarded(request)]:  # from us outwards
        address = address_of(hop)
        if address is None:
            break
        is_long = isinstance(address, IPv6Address)
        client = str(ip_network((int(address) >> 64 << 64, 64)) if is_long else address)
        if not is_proxy(address):  # what a proxy of ours says is believed, and nobody beyond
            break
    return client


def _forwarded(request: HttpRequest) -> list[str]:
    said = request.META.get("HTTP_X_FORWARDED_FOR", "")
    return [hop.strip() for hop in reversed(said.split(","))]


def _counted(account: str, client: str) -> tuple[tuple[str, int], tuple[str, int]]:
    """What is counted, and how many failures each may have."""
    return (
        (f"sign-in to {account.strip().casefold()}", PER_ACCOUNT),
        (f"sign-in from {client}", PER_CLIENT),
    )
