"""The page “Send your first event”: a key, consent, a program to paste, and a panel of what arrives.

Nothing is stored without consent, so a first event is often dropped. The panel then says what to do.
"""

import shlex
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import ClassVar, NamedTuple

from django.conf import settings
from django.contrib.admin.models import ADDITION, LogEntry
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.template.loader import render_to_string
from django.utils import timezone
from django.views.decorators.http import require_http_methods, require_safe

from analytics.models import EndpointUsage, FeatureUsage, Installation, UserActivity
from consent.keys import issue_key, usable_keys
from consent.models import Key, Scope
from dashboards.access import staff_only
from dashboards.layout.page import Page, show
from dashboards.views.arrivals import Arrivals, arrivals

EXAMPLE_USER = "my-test-user"
EXAMPLE_ORGANIZATION = "my-test-organization"
KEY_PLACEHOLDER = "YOUR_KEY"  # what the programs contain until a key is made
KEY_NAME = "first-app"
SNIPPETS = (("py", "Python", "python"), ("js", "Node", "node"), ("sh", "curl", "curl"))


class Snippet(NamedTuple):
    kind: str  # class of its tab
    label: str
    code: str


class ArrivalPanel(NamedTuple):
    """What the panel shows: which steps are done, and what arrived."""

    arrivals: Arrivals
    is_stored: bool
    has_request: bool
    has_key: bool
    checked_at: datetime
    grant: str  # the command that records consent for the ids of the programs


@dataclass(frozen=True, kw_only=True)
class FirstEventPage(Page):
    template: ClassVar[str] = "dashboards/first_event.html"
    title: str = "Send your first event"
    section: str = "overview"
    key: str  # just made, or empty
    key_name: str
    may_make_keys: bool
    make_key: str  # the command
    snippets: Sequence[Snippet]
    panel: ArrivalPanel


def has_events() -> bool:
    """Whether any event, or any installation, is stored."""
    return any(
        model._default_manager.exists() for model in (FeatureUsage, UserActivity, EndpointUsage, Installation)
    )


def ingest_address(request: HttpRequest) -> str:
    """Where apps send events: `PUBLIC_URL`, else the address that the reader's browser used."""
    return settings.PUBLIC_URL or f"{request.scheme}://{request.get_host()}"


def snippets(*, address: str, key: str) -> list[Snippet]:
    """The programs, ready to paste: each sends one feature event."""
    values = {"address": address, "key": key, "user": EXAMPLE_USER, "organization": EXAMPLE_ORGANIZATION}
    return [
        Snippet(kind, label, render_to_string(f"dashboards/snippets/{name}.txt", values).strip())
        for kind, label, name in SNIPPETS
    ]


def command(*words: str) -> str:
    """The shell line that runs a command of this instance, from the project's folder.

    It names the data dir unless that is the default: without it, the command would start other embedded
    servers.
    """
    root = Path(settings.BASE_DIR)
    python = ".venv/bin/python" if Path(sys.prefix) == root / ".venv" else "python"
    if settings.EMBEDDED and root / "var" != settings.DATA_DIR:
        is_inside = settings.DATA_DIR.is_relative_to(root)
        directory = settings.DATA_DIR.relative_to(root) if is_inside else settings.DATA_DIR
        words = (*words, "--data-dir", str(directory))
    return shlex.join([python, "manage.py", *words])


@require_http_methods(["GET", "HEAD", "POST"])
@staff_only
def first_event(request: HttpRequest) -> HttpResponse:
    """The steps. A POST makes a key and shows it, this once."""
    key = ""
    if request.method == "POST":
        if not _may_make_keys(request):
            raise PermissionDenied
        key, row = issue_key(name=KEY_NAME, scopes=[Scope.INGEST])
        _log_creation(request, row)
    return steps_page(request, key=key)


def steps_page(request: HttpRequest, *, key: str = "") -> HttpResponse:
    """The steps, with the key that was just made, if any."""
    page = FirstEventPage(
        key=key,
        key_name=KEY_NAME,
        may_make_keys=_may_make_keys(request),
        make_key=command("issue_key", KEY_NAME),
        snippets=snippets(address=ingest_address(request), key=key or KEY_PLACEHOLDER),
        panel=_panel(),
    )
    return show(request, page)


@require_safe
@staff_only
def arrival_panel(request: HttpRequest) -> HttpResponse:
    """The panel alone: htmx asks for it every three seconds."""
    return render(request, "dashboards/includes/arrivals.html", {"panel": _panel()})


def _log_creation(request: HttpRequest, key: Key) -> None:
    """The admin's log has every key that an account made, wherever."""
    LogEntry.objects.log_actions(
        str(request.user.pk), [key], ADDITION, change_message=[{"added": {}}], single_object=True
    )


def _may_make_keys(request: HttpRequest) -> bool:
    return request.user.has_perm("consent.add_key")


def _panel() -> ArrivalPanel:
    last_day = arrivals(hours=24)
    return ArrivalPanel(
        arrivals=last_day,
        has_request=not last_day.is_empty,
        is_stored=has_events(),
        has_key=usable_keys().filter(scopes__contains=[Scope.INGEST]).exists(),
        checked_at=timezone.now(),
        grant=command(
            "set_consent", "granted", "--user", EXAMPLE_USER, "--organization", EXAMPLE_ORGANIZATION
        ),
    )
