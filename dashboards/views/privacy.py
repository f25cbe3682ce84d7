"""`/privacy/`: what is collected, for everybody to read, as a page and as JSON.

It is made from what ingest works by: the active registry, the published policies, the columns of the tables
and the settings in force. So whatever is stored is on the page.
"""

from typing import Any

from django.http import HttpRequest, HttpResponse, JsonResponse
from django.shortcuts import render
from django.views.decorators.http import require_safe

from analytics.storage.event_tables import TABLES
from consent.policies.activation import active_registry
from consent.registry.registry import Registry
from dashboards.views.privacy_content import PrivacyContent, privacy_content
from dashboards.views.privacy_words import ACCOUNT_REPORTS


@require_safe
def privacy(request: HttpRequest) -> HttpResponse:
    """For everybody. JSON with `?format=json`, or when `Accept` prefers JSON to HTML."""
    registry = active_registry()
    content = privacy_content(registry)
    if _wants_json(request):
        document = as_json(content, registry)
        response: HttpResponse = JsonResponse(document, json_dumps_params={"indent": 2})
    else:
        response = render(
            request, "dashboards/privacy.html", {"title": "What we collect", "privacy": content}
        )
    response["Cache-Control"] = "no-cache"  # the page changes together with the registry
    response["Vary"] = "Accept, Cookie"
    return response


def as_json(content: PrivacyContent, registry: Registry) -> dict[str, Any]:
    """The page for programs. Attributes are listed exactly as they are declared."""
    return {
        "registry_digest": content.digest,
        "policy_version": content.policy_version,
        "policy_text": content.policy_text,
        "versions": [
            {
                "version": version.version,
                "published_at": version.published_at,
                "registry_digest": version.registry_digest,
                "is_material": version.is_material,
                "changes": version.changes,
            }
            for version in content.versions
        ],
        "attributes": [attribute.as_declared() for attribute in registry.attributes.values()],
        "events": [
            {
                "table": TABLES[event.table].name,
                "tells": event.tells,
                "columns": dict([*event.columns, *content.common]),
            }
            for event in content.events
        ],
        "event_names": sorted(registry.event_names),
        "endpoints": list(registry.endpoints),
        "never": list(content.never),
        "base_telemetry_enabled": content.base_is_on,
        "telemetry_enabled": content.detailed_is_on,
        "undecided": {rule.deployment.lower(): rule.rule for rule in content.undecided},
        "event_retention_months": {"least": content.months, "most": content.months + 1},
        "erased_on_withdrawal": content.erases,
        "groups_hidden_below": content.threshold,
        "account_reports": ACCOUNT_REPORTS,
        "last_days": content.traffic._asdict(),
    }


def _wants_json(request: HttpRequest) -> bool:
    if "format" in request.GET:
        return request.GET["format"] == "json"
    return request.get_preferred_type(["text/html", "application/json"]) == "application/json"
