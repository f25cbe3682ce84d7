"""The way to the first event: key, consent, snippet, and a panel that shows what arrives as it does.

Nothing is stored without consent, so a first event is often refused: the panel says what to do.
"""

import shlex
import sys
from pathlib import Path
from typing import Any, NamedTuple

from django.conf import settings
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.template.loader import render_to_string
from django.utils import timezone
from django.views.decorators.http import require_http_methods, require_safe

from analytics.models import EndpointUsage, FeatureUsage, Installation, UserActivity
from consent.keys import issue_key
from consent.models import Key, Scope
from dashboards.access import staff_only
from dashboards.layout.page import page
from dashboards.views.arrivals import arrivals

EXAMPLE_USER = "my-test-user"
EXAMPLE_ORGANIZATION = "my-test-organization"
KEY_PLACEHOLDER = "YOUR_KEY"  # stands in the snippets until a key is made
KEY_NAME = "first-app"
SNIPPETS = (("py", "Python", "python"), ("js", "Node", "node"), ("sh", "curl", "curl"))


class Snippet(NamedTuple):
    kind: str  # class of its tab
    label: str
    code: str


def has_events() -> bool:
    """Whether any event was ever stored."""
    return any(
        model._default_manager.exists() for model in (FeatureUsage, UserActivity, EndpointUsage, Installation)
    )


def ingest_address(request: HttpRequest) -> str:
    """Where an app sends to: the public address, else the one that the reader's browser used."""
    return settings.PUBLIC_URL or f"{request.scheme}://{request.get_host()}"


def snippets(*, address: str, key: str) -> list[Snippet]:
    """The three programs that send one feature event; ready to paste."""
    values = {"address": address, "key": key, "user": EXAMPLE_USER, "organization": EXAMPLE_ORGANIZATION}
    return [
        Snippet(kind, label, render_to_string(f"dashboards/snippets/{name}.txt", values).strip())
        for kind, label, name in SNIPPETS
    ]


def command(*words: str) -> str:
    """The line that runs a command of this very instance, for a shell in the project's folder.

    Without a data dir of its own it would speak to another embedded server.
    """
    root = Path(settings.BASE_DIR)
    python = ".venv/bin/python" if Path(sys.prefix) == root / ".venv" else "python"
    if settings.EMBEDDED and root / "var" != settings.DATA_DIR:
        inside = settings.DATA_DIR.is_relative_to(root)
        directory = settings.DATA_DIR.relative_to(root) if inside else settings.DATA_DIR
        words = (*words, "--data-dir", str(directory))
    return shlex.join([python, "manage.py", *words])


@require_http_methods(["GET", "HEAD", "POST"])
@staff_only
def first_event(request: HttpRequest) -> HttpResponse:
    """The steps. By POST a key is made, and shown this once."""
    may_make_keys = request.user.has_perm("consent.add_key")
    key = ""
    if request.method == "POST":
        if not may_make_keys:
            raise PermissionDenied
        key, _ = issue_key(name=KEY_NAME, scopes=[Scope.INGEST])
    return steps_page(request, key=key, may_make_keys=may_make_keys)


def steps_page(request: HttpRequest, *, key: str = "", may_make_keys: bool | None = None) -> HttpResponse:
    if may_make_keys is None:
        may_make_keys = request.user.has_perm("consent.add_key")
    return page(
        request,
        "dashboards/first_event.html",
        section="overview",
        title="Send your first event",
        key=key,
        may_make_keys=may_make_keys,
        snippets=snippets(address=ingest_address(request), key=key or KEY_PLACEHOLDER),
        make_key=command("issue_key", KEY_NAME),
        key_name=KEY_NAME,
        **_arrival_context(),
    )


@require_safe
@staff_only
def arrival_panel(request: HttpRequest) -> HttpResponse:
    """The panel alone: htmx asks for it every three seconds."""
    return render(request, "dashboards/includes/arrivals.html", _arrival_context())


def _arrival_context() -> dict[str, Any]:
    return {
        "arrivals": arrivals(hours=24),
        "is_stored": has_events(),
        "has_key": Key.objects.filter(revoked_at=None, scopes__contains=[Scope.INGEST]).exists(),
        "checked_at": timezone.now(),
        "grant": command(
            "set_consent", "granted", "--user", EXAMPLE_USER, "--organization", EXAMPLE_ORGANIZATION
        ),
    }
