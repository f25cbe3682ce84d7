"""What keeps the address of a person's own page secret: no referrer, no cache, no index, no log.

The address holds the link, and whoever has the link may use it. Errors are handled here too, since Django
would log the address of a request that failed.
"""

import logging
import traceback
from collections.abc import Callable
from functools import wraps
from typing import Any

from django.db import Error as DatabaseError
from django.http import HttpRequest, HttpResponse
from django.http.response import HttpResponseBase
from django.middleware.csrf import CsrfViewMiddleware
from django.shortcuts import render

from consent.api import rate_limits
from consent.decisions.recording import BarrierNotReached

logger = logging.getLogger(__name__)

View = Callable[[HttpRequest, str], HttpResponseBase]
# All variables of the layout: Django may log a missing one, together with the whole request.
LAYOUT: dict[str, Any] = {"title": "Your data", "section": "", "plot": None}


class FormToken(CsrfViewMiddleware):
    """Django's check of the form's token, for a page that sends no referrer.

    Browsers then send `Origin: null` with its form, and no Referer. Nothing is logged, since that would
    include the address.
    """

    def _origin_verified(self, request: HttpRequest) -> bool:
        is_ours: bool = super()._origin_verified(request)  # type: ignore[misc]
        return is_ours or request.META.get("HTTP_ORIGIN") == "null"

    def _check_referer(self, request: HttpRequest) -> None:
        """There is none, by the page's own policy."""

    def _reject(self, request: HttpRequest, reason: str) -> HttpResponse:
        return message_page(request, "form_again", 403)


def private(view: View) -> View:
    """Keep every answer of the view out of caches, indexes, referrers and logs."""

    @wraps(view)
    def answer(request: HttpRequest, token: str) -> HttpResponseBase:
        response: HttpResponseBase
        try:
            response = view(request, token)
        except rate_limits.TooOften as error:
            response = message_page(request, "too_often", 429, retry_after=error.again_after)
        except BarrierNotReached:
            response = message_page(request, "not_certain", 503, retry_after=5)
        except Exception as error:  # the outermost edge: Django would log the address
            response = _failure_page(request, error)
        response["Referrer-Policy"] = "no-referrer"
        response["Cache-Control"] = "no-store"
        response["X-Robots-Tag"] = "noindex, nofollow, noarchive"
        response._has_been_logged = True  # type: ignore[attr-defined]  # else Django logs the address of errors
        return response

    return answer


def message_page(
    request: HttpRequest, message: str, status: int, *, retry_after: int | None = None
) -> HttpResponse:
    """A page of one message, named as in its template; `retry_after` in seconds."""
    response = render(
        request, "analytics/own_page_message.html", LAYOUT | {"message": message}, status=status
    )
    if retry_after is not None:
        response["Retry-After"] = str(retry_after)
    return response


def _failure_page(request: HttpRequest, error: Exception) -> HttpResponse:
    if isinstance(error, DatabaseError):
        logger.warning("a person's own page is unavailable: %s", type(error).__name__)
        return message_page(request, "unavailable", 503, retry_after=5)
    # An exception's message may quote what was sent. Its type and the lines of code do not.
    lines = "".join(traceback.format_tb(error.__traceback__))
    logger.error("a person's own page failed: %s\n%s", type(error).__name__, lines)
    return message_page(request, "unavailable", 500)
