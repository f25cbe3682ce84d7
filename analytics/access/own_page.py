"""A person's own page, by a signed link (`consent/api/links.py`): what is held of them, and their decision.

No account and no script. Whoever has the link may use it, so the link must not travel on: no referrer,
nothing cached, nothing indexed, no address in a log. A link that is forged, has ended or is none gets
one and the same answer, and a person nobody has heard of gets a page like any other.

Opting in is offered too: it is the person who decides here, not an admin for them (docs/privacy.md).
"""

import logging
import traceback
from collections.abc import Callable
from functools import wraps
from typing import Any

from django.conf import settings
from django.db import Error as DatabaseError
from django.http import HttpRequest, HttpResponse, HttpResponseNotAllowed, HttpResponseRedirect
from django.http.response import HttpResponseBase
from django.middleware.csrf import CsrfViewMiddleware
from django.shortcuts import render
from django.utils.decorators import decorator_from_middleware
from django.views.decorators.csrf import csrf_exempt

from analytics.access.row_counts import held_of
from consent.api import rate_limits
from consent.api.do_not_track import asks_not_to_be_tracked
from consent.api.links import Link, read_link
from consent.decisions.recording import BarrierNotReached, DecisionRefused
from consent.decisions.status import consent_status, record_choice
from consent.decisions.tombstones import ERASE
from consent.models import Decision, ErasureRequest, Method, State, SubjectKind
from consent.policies.in_force import in_force

logger = logging.getLogger(__name__)

USER = SubjectKind.USER
A_MINUTE = {"most": 30, "seconds": 60}  # requests with one person's links
OF_NO_LINK = {"most": 600, "seconds": 60}  # requests with links that do not work, all together
CHOICES = {"out": State.DENIED, "in": State.GRANTED}
View = Callable[[HttpRequest, str], HttpResponseBase]
ACTOR = "own page"
METHODS = ("GET", "HEAD", "POST")
# All that the layout asks for: Django may log what is missing, and the whole request with it.
LAYOUT: dict[str, Any] = {"title": "Your data", "section": "", "plot": None}


class FormToken(CsrfViewMiddleware):
    """Django's check of the form's token, on a page that sends no referrer.

    Browsers then send `Origin: null` with its form, and no Referer. Nothing is logged: that would hold the
    address.
    """

    def _origin_verified(self, request: HttpRequest) -> bool:
        is_ours: bool = super()._origin_verified(request)  # type: ignore[misc]
        return is_ours or request.META.get("HTTP_ORIGIN") == "null"

    def _check_referer(self, request: HttpRequest) -> None:
        """There is none, by the page's own policy."""

    def _reject(self, request: HttpRequest, reason: str) -> HttpResponse:
        return said(request, "form_again", 403)


def unseen(view: View) -> View:
    """The view, kept out of caches, indexes, referrers and logs."""

    @wraps(view)
    def answered(request: HttpRequest, token: str) -> HttpResponseBase:
        response: HttpResponseBase
        try:
            response = view(request, token)
        except rate_limits.TooOften as error:
            response = said(request, "too_often", 429)
            response["Retry-After"] = str(error.again_after)
        except BarrierNotReached:
            response = said(request, "not_certain", 503)
            response["Retry-After"] = "5"
        except Exception as error:  # the outermost edge: Django would log the address
            response = _failed(request, error)
        response["Referrer-Policy"] = "no-referrer"
        response["Cache-Control"] = "no-store"
        response._has_been_logged = True  # type: ignore[attr-defined]  # else Django logs the address of errors
        response["X-Robots-Tag"] = "noindex, nofollow, noarchive"
        return response

    return answered


@csrf_exempt  # the site's own check wants an origin; ours is the next but one
@unseen
@decorator_from_middleware(FormToken)
def own_page(request: HttpRequest, token: str) -> HttpResponse:
    """The page; by POST a decision, after which the page is asked for again."""
    if request.method not in METHODS:
        return HttpResponseNotAllowed(METHODS)
    link = read_link(token.rstrip("/"))
    if link is None:
        rate_limits.spend("own page without a link", **OF_NO_LINK)
        return said(request, "no_link", 404)
    rate_limits.spend(f"own page {link.user}", **A_MINUTE)
    if request.method == "POST":
        return _decide(request, link)
    return render(request, "analytics/own_page.html", _about(request, link))


def said(request: HttpRequest, what: str, status: int) -> HttpResponse:
    """A page of one sentence; which one, the template knows."""
    return render(request, "analytics/own_page_said.html", LAYOUT | {"what": what}, status=status)


def _decide(request: HttpRequest, link: Link) -> HttpResponse:
    state = CHOICES.get(request.POST.get("choice", ""))
    if state is None or (state == State.GRANTED and request.POST.get("agree") != "yes"):
        return said(request, "no_choice", 400)
    if state == State.GRANTED and asks_not_to_be_tracked(request.headers):
        return said(request, "do_not_track", 409)
    shown = request.POST.get("policy_version", "")[:40] if state == State.GRANTED else ""
    try:
        record_choice(
            kind=USER, subject=link.user, state=state, actor=ACTOR, method=Method.LINK, policy_version=shown
        )
    except DecisionRefused:  # another policy has come into force since the page was opened
        return said(request, "other_policy", 409)
    return HttpResponseRedirect(request.path, status=303)


def _about(request: HttpRequest, link: Link) -> dict[str, Any]:
    held = held_of(link.user)
    return {
        **LAYOUT,
        "link": link,
        "standing": consent_status(USER, link.user),
        "held": held,
        "total": sum(one.rows for one in held or ()),
        "decisions": Decision.objects.filter(subject_kind=USER, subject=link.user).order_by("-number")[:50],
        "erases": settings.ON_WITHDRAWAL == ERASE,
        "erasing": _erasing(link.user),
        "policy_version": in_force().policy_version,
        "do_not_track": asks_not_to_be_tracked(request.headers),
    }


def _erasing(user: str) -> ErasureRequest | None:
    """The newest erasure that is asked for and not done."""
    open_ones = ErasureRequest.objects.filter(kind=USER, pseudonym=user).exclude(
        state=ErasureRequest.Stage.DONE
    )
    return open_ones.order_by("-pk").first()


def _failed(request: HttpRequest, error: Exception) -> HttpResponse:
    if isinstance(error, DatabaseError):
        logger.warning("the own page is unavailable: %s", type(error).__name__)
        response = said(request, "unavailable", 503)
        response["Retry-After"] = "5"
        return response
    # An exception's message may quote what was sent. Its type and the lines of code do not.
    lines = "".join(traceback.format_tb(error.__traceback__))
    logger.error("the own page failed: %s\n%s", type(error).__name__, lines)
    return said(request, "unavailable", 500)
