"""Deletes what small tables hold on an organization.

Its reports always go. Its installations, licences and label go only when erasure was asked for in so
many words: an organization that merely opts out is still a customer.
"""

from datetime import UTC, datetime
from typing import Any

from django.db import connections

from analytics.erasure.aliases import INSTALLATIONS_OF_ORGANIZATION
from analytics.erasure.progress import count_then_delete
from analytics.models import CustomerAnalytics, CustomerHeartbeat, Installation, InstallationEvent, License
from analytics.partitions import EVENT_TABLES
from consent.models import ErasureRequest, Key, Organization, SubjectKind
from consent.pseudonyms import ANONYMOUS

REPORT_TABLES = {model._meta.db_table for model in (CustomerHeartbeat, CustomerAnalytics)}


def delete_small_tables(request: ErasureRequest) -> None:
    """Delete an organization's reports; unless it only opted out, also what makes it a customer."""
    if request.kind != SubjectKind.ORGANIZATION:
        return
    for reports in reports_of(request.pseudonym, request.until):
        count_then_delete(request, reports.model._meta.db_table, reports.count, reports.delete)
    if not request.is_withdrawal:
        _delete_installations(request)
        _delete_licences(request)
        _delete_label(request)


def reports_of(organization: str, until: datetime) -> list[Any]:
    """What its collectors reported at, or about, any time up to `until`; one query for each table."""
    heartbeats = CustomerHeartbeat.objects.filter(organization_id=organization)
    days = CustomerAnalytics.objects.filter(organization_id=organization)
    return [
        heartbeats.filter(timestamp__lte=until) | heartbeats.filter(received_at__lte=until),
        days.filter(date__lte=until.astimezone(UTC).date()) | days.filter(received_at__lte=until),
    ]


def _delete_installations(request: ErasureRequest) -> None:
    """Only events tell which installations are its own, so note these before events are deleted."""
    if "installations" not in request.progress:
        request.progress["installations"] = _installations_of(request.pseudonym)
    keys = request.progress["installations"]
    events = InstallationEvent.objects.filter(installation__in=keys)
    installations = Installation.objects.filter(pk__in=keys)
    count_then_delete(request, "analytics_installationevent", events.count, events.delete)
    count_then_delete(request, "analytics_installation", installations.count, installations.delete)


def _installations_of(organization: str) -> list[int]:
    """The keys of the installations that sent its events without user and session."""
    starts: set[str] = set()
    with connections["analytics"].cursor() as cursor:
        for table in EVENT_TABLES:
            names = {"subject": organization, "anonymous": ANONYMOUS}
            cursor.execute(INSTALLATIONS_OF_ORGANIZATION.format(table=table), names)
            starts.update(digits for (digits,) in cursor.fetchall())
        cursor.execute(
            "SELECT id FROM analytics_installation WHERE left(pseudonym, 27) = ANY(%s)", [sorted(starts)]
        )
        return [key for (key,) in cursor.fetchall()]


def _delete_licences(request: ErasureRequest) -> None:
    keys = list(Key.objects.filter(organization=request.pseudonym).values_list("pk", flat=True))
    licences = License.objects.filter(key_id__in=keys)
    count_then_delete(request, "analytics_license", licences.count, licences.delete)


def _delete_label(request: ErasureRequest) -> None:
    labelled = Organization.objects.filter(pseudonym=request.pseudonym).exclude(label="")
    count_then_delete(
        request, "consent_organization.label", labelled.count, lambda: labelled.update(label="")
    )
