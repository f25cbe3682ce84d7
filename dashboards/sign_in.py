"""The sign-in form of the pages and the admin. It limits failed attempts by account and by client address.

Redis counts failures under digests that expire (`consent/api/rate_limits.py`). It holds no names and no
addresses. If Redis is unreachable, nobody is locked out, and the log says so.
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
PER_ACCOUNT = 10  # failures in a window, from any address
PER_CLIENT = 50  # failures in a window, for any account: an office may share an address


class ThrottledForm(AuthenticationForm):
    """Django's form behind the limits. Its message does not tell whether the account exists."""

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
    """The same for the sign-in page of the admin, which takes staff only."""


def spend(account: str, client: str) -> int:
    """Count an attempt as failed until `forgive` takes it back.

    Returns 0 if it is within the limits, else the seconds after which to try again.
    """
    wait = 0
    for counter, most in _counters(account, client):
        try:
            rate_limits.spend(counter, most=most, seconds=WINDOW)
        except rate_limits.TooOften as refused:
            wait = max(wait, refused.again_after)
    return wait


def forgive(account: str, client: str) -> None:
    """After a success: forget the account's failures, and take this attempt off the client's count."""
    (account_counter, _), (client_counter, _) = _counters(account, client)
    rate_limits.forget(account_counter)
    rate_limits.give_back(client_counter, seconds=WINDOW)


def client_of(request: HttpRequest | None) -> str:
    """Whose failures are counted together: an IPv4 address, or a /64 network of IPv6."""
    if request is None:
        return ""
    client = ""
    for hop in [request.META.get("REMOTE_ADDR", ""), *_forwarded(request)]:  # from the nearest hop outwards
        address = address_of(hop)
        if address is None:
            break
        is_ipv6 = isinstance(address, IPv6Address)
        client = str(ip_network((int(address) >> 64 << 64, 64)) if is_ipv6 else address)
        if not is_proxy(address):  # only our own proxies are believed about the hop before them
            break
    return client


def _forwarded(request: HttpRequest) -> list[str]:
    header = request.META.get("HTTP_X_FORWARDED_FOR", "")
    return [hop.strip() for hop in reversed(header.split(","))]


def _counters(account: str, client: str) -> tuple[tuple[str, int], tuple[str, int]]:
    """The two counters, by account and by client, each with its limit."""
    return (
        (f"sign-in to {account.strip().casefold()}", PER_ACCOUNT),
        (f"sign-in from {client}", PER_CLIENT),
    )
