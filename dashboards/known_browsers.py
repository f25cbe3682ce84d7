"""Browsers from which an account has signed in before: a signed cookie, which holds no name.

Failed attempts from such a browser count by themselves, so that strangers who try passwords cannot lock out
the account's owner. The cookie is no key: it replaces neither name nor password.
"""

import secrets
from collections.abc import Callable
from typing import NamedTuple

from django.conf import settings
from django.core import signing
from django.http import HttpRequest, HttpResponse
from django.utils.crypto import salted_hmac

COOKIE = "candid_known_browser"
LASTS = 180 * 24 * 3600  # seconds since the latest sign-in
MOST_ACCOUNTS = 5  # of one browser; the earliest is forgotten
_SALT = "dashboards.known_browser"


class KnownBrowser(NamedTuple):
    """A random id, and digests of the accounts that signed in."""

    id: str
    accounts: list[str]


def id_for(request: HttpRequest | None, account: str) -> str:
    """The id of the browser, if this account has signed in from it before; else ''."""
    browser = _read(request) if request else None
    return browser.id if browser and _digest(account) in browser.accounts else ""


def remember(request: HttpRequest, account: str) -> None:
    """Let the answer to this request say that the account has signed in from this browser."""
    browser, digest = _read(request) or KnownBrowser(secrets.token_hex(8), []), _digest(account)
    accounts = [*(other for other in browser.accounts if other != digest), digest]
    request.known_browser = KnownBrowser(browser.id, accounts[-MOST_ACCOUNTS:])  # type: ignore[attr-defined]


def known_browsers(
    get_response: Callable[[HttpRequest], HttpResponse],
) -> Callable[[HttpRequest], HttpResponse]:
    """Middleware: sends the cookie with the answer to a sign-in."""

    def answer(request: HttpRequest) -> HttpResponse:
        response = get_response(request)
        if browser := getattr(request, "known_browser", None):
            response.set_cookie(
                COOKIE,
                signing.dumps(browser, salt=_SALT),
                max_age=LASTS,
                secure=settings.SESSION_COOKIE_SECURE,
                httponly=True,
                samesite="Lax",
            )
        return response

    return answer


def _read(request: HttpRequest) -> KnownBrowser | None:
    try:
        return KnownBrowser(*signing.loads(request.COOKIES.get(COOKIE, ""), salt=_SALT, max_age=LASTS))
    except (signing.BadSignature, ValueError, TypeError):
        return None


def _digest(account: str) -> str:
    return salted_hmac(_SALT, account.strip().casefold(), algorithm="sha256").hexdigest()[:16]
