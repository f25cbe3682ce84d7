"""A person's own page, opened by a signed link: what is stored about them, and what they decided.

It needs neither an account nor a script. A forged, expired or malformed link (`consent/api/links.py`)
always gets the same answer, and an unknown person gets a page like any other. How the address stays
secret: `private_page.py`. A link from before a withdrawal or an erasure, or of a revoked key, opens
nothing but receipts (`own_receipts.py`).

The page offers opting in too: here it is the person who decides, not an admin for them (docs/privacy.md).
"""

from typing import Any

from django.conf import settings
from django.http import HttpRequest, HttpResponse, HttpResponseNotAllowed, HttpResponseRedirect
from django.shortcuts import render
from django.utils.decorators import decorator_from_middleware
from django.views.decorators.csrf import csrf_exempt

from analytics.access.own_receipts import download, receipt_files
from analytics.access.private_page import LAYOUT, FormToken, message_page, private
from analytics.access.row_counts import count_rows
from consent.api import rate_limits
from consent.api.do_not_track import asks_not_to_be_tracked
from consent.api.links import Link, read_link
from consent.decisions.recording import DecisionRefused, Overtaken
from consent.decisions.status import consent_status, record_choice
from consent.decisions.tombstones import ERASE, is_denied
from consent.models import Decision, ErasureRequest, Method, State, SubjectKind
from consent.policies.in_force import in_force

USER = SubjectKind.USER
ONE_PERSON = {"most": 30, "seconds": 60}  # requests with one person's links
BAD_LINKS = {"most": 600, "seconds": 60}  # requests with links that do not work, all together
DECISIONS_SHOWN = 50
CHOICES = {"out": State.DENIED, "in": State.GRANTED}
ACTOR = "own page"
METHODS = ("GET", "HEAD", "POST")


@csrf_exempt  # the site's own check needs an origin; `FormToken` does it here
@private
@decorator_from_middleware(FormToken)
def own_page(request: HttpRequest, token: str) -> HttpResponse:
    """The page; a POST records a decision and redirects to the page."""
    if request.method not in METHODS:
        return HttpResponseNotAllowed(METHODS)
    text, _, file = token.rstrip("/").partition("/")
    link = read_link(text)
    if link is None:
        rate_limits.spend("own page without a link", **BAD_LINKS)
        return message_page(request, "no_link", 404)
    rate_limits.spend(f"own page {link.user}", **ONE_PERSON)
    if file and request.method != "POST":
        return download(link.user, file) or message_page(request, "no_link", 404)
    if request.method == "POST":
        return _decide(request, link)
    if not link.is_current():
        return render(request, "analytics/own_receipts.html", _receipts_only(request, link))
    return render(request, "analytics/own_page.html", _content(request, link))


def _decide(request: HttpRequest, link: Link) -> HttpResponse:
    state = CHOICES.get(request.POST.get("choice", ""))
    opts_in = state == State.GRANTED
    if state is None or (opts_in and request.POST.get("agree") != "yes"):
        return message_page(request, "no_choice", 400)
    # Opting out once more is allowed: the barrier may not have been reached the first time.
    if not (link.is_current() or (state == State.DENIED and is_denied(USER, link.user))):
        return message_page(request, "earlier_link", 409)
    if opts_in and asks_not_to_be_tracked(request.headers):
        return message_page(request, "do_not_track", 409)
    shown_version = request.POST.get("policy_version", "")[:40] if opts_in else ""
    try:
        record_choice(
            kind=USER,
            subject=link.user,
            state=state,
            actor=ACTOR,
            method=Method.LINK,
            policy_version=shown_version,
            while_true=link.is_current if opts_in else lambda: True,
        )
    except Overtaken:  # a withdrawal came between the check above and the decision
        return message_page(request, "earlier_link", 409)
    except DecisionRefused:  # another policy has come into force since the page was opened
        return message_page(request, "other_policy", 409)
    return HttpResponseRedirect(request.path, status=303)


def _receipts_only(request: HttpRequest, link: Link) -> dict[str, Any]:
    return {
        **LAYOUT,
        "link": link,
        "is_denied": is_denied(USER, link.user),
        "consent": consent_status(USER, link.user),
        "erases_on_opting_out": settings.ON_WITHDRAWAL == ERASE,
        "erasure": _open_erasure(link.user),
        "files": receipt_files(link.user, request.path),
    }


def _content(request: HttpRequest, link: Link) -> dict[str, Any]:
    counts = count_rows(link.user)
    decisions = Decision.objects.filter(subject_kind=USER, subject=link.user).order_by("-number")
    return {
        **LAYOUT,
        "link": link,
        "consent": consent_status(USER, link.user),
        "counts": counts,
        "total": sum(count.rows for count in counts or ()),
        "decisions": decisions[:DECISIONS_SHOWN],
        "erases_on_opting_out": settings.ON_WITHDRAWAL == ERASE,
        "erasure": _open_erasure(link.user),
        "files": receipt_files(link.user, request.path),
        "policy_version": in_force().policy_version,
        "do_not_track": asks_not_to_be_tracked(request.headers),
    }


def _open_erasure(user: str) -> ErasureRequest | None:
    """The newest erasure that was asked for and is not done."""
    requests = ErasureRequest.objects.filter(kind=USER, pseudonym=user)
    return requests.exclude(state=ErasureRequest.Stage.DONE).order_by("-pk").first()
