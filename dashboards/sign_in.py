"""The sign-in form of the pages and the admin. It limits failed attempts by account and by client address.

Redis counts failures under digests that expire (`consent/api/rate_limits.py`). It holds no names and no
addresses. If Redis is unreachable, nobody is locked out, and the log says so. Attempts from a browser that
the account has used before count by themselves (`known_browsers.py`).

Failed and refused attempts are logged without names and addresses; all of them are counted for `/metrics`.
"""

import logging
from ipaddress import IPv6Address, ip_network
from typing import Any

from django.contrib.admin.forms import AdminAuthenticationForm
from django.contrib.auth.forms import AuthenticationForm
from django.core.exceptions import ValidationError
from django.http import HttpRequest

from consent.api import rate_limits
from consent.api.proxies import address_of, is_proxy
from dashboards import known_browsers
from ingest.traffic import prometheus

logger = logging.getLogger(__name__)

WINDOW = 15 * 60  # seconds
PER_ACCOUNT = 10  # failures in a window, from any address
MESSAGES = {"failed": "a sign-in failed", "refused": "a sign-in was refused: too many had failed"}
PER_CLIENT = 50  # failures in a window, for any account: an office may share an address


class ThrottledForm(AuthenticationForm):
    """Django's form behind the limits. Its message does not tell whether the account exists."""

    is_throttled = False

    def clean(self) -> dict[str, Any]:
        account, client = self.cleaned_data.get("username"), client_of(self.request)
        if not account:
            return super().clean()
        browser = known_browsers.id_for(self.request, account)
        wait = spend(account, client, browser)
        if wait:
            _note("refused")
            self.is_throttled, minutes = True, -(-wait // 60)
            again = f"{minutes} minute{'s' if minutes > 1 else ''}"
            raise ValidationError(
                f"Too many failed attempts to sign in. Try again in {again}.", code="throttled"
            )
        try:
            cleaned = super().clean()
        except ValidationError:
            _note("failed")
            raise
        forgive(account, client, browser)
        _note("accepted")
        if self.request is not None:
            known_browsers.remember(self.request, account)
        return cleaned


class ThrottledAdminForm(ThrottledForm, AdminAuthenticationForm):
    """The same for the sign-in page of the admin, which takes staff only."""


def spend(account: str, client: str, browser: str = "") -> int:
    """Count an attempt as failed until `forgive` takes it back.

    `browser` is the id of a browser that the account has used before.

    Returns 0 if it is within the limits, else the seconds after which to try again.
    """
    wait = 0
    for counter, most in _counters(account, client, browser):
        try:
            rate_limits.spend(counter, most=most, seconds=WINDOW)
        except rate_limits.TooOften as refused:
            wait = max(wait, refused.again_after)
    return wait


def forgive(account: str, client: str, browser: str = "") -> None:
    """After a success: forget the account's failures, and take this attempt off the client's count.

    Of a known browser only its own failures are forgotten: those of strangers go on counting against them.
    """
    (account_counter, _), *of_client = _counters(account, client, browser)
    rate_limits.forget(account_counter)
    for client_counter, _ in of_client:
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


def _counters(account: str, client: str, browser: str = "") -> list[tuple[str, int]]:
    """The counters, by account and by client, each with its limit; of a known browser, its own alone."""
    name = f"sign-in to {account.strip().casefold()}"
    if browser:
        return [(f"{name} by {browser}", PER_ACCOUNT)]
    return [(name, PER_ACCOUNT), (f"sign-in from {client}", PER_CLIENT)]


def _note(outcome: str) -> None:
    """`outcome`: accepted, failed (wrong name or password), or refused (too many attempts)."""
    prometheus.SIGN_INS.labels(outcome).inc()
    if outcome != "accepted":
        logger.warning(MESSAGES[outcome])
