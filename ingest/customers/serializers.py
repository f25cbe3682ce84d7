"""What customers' collectors send and are answered, as DRF serializers: checks and OpenAPI in one."""

from datetime import date, datetime, timedelta
from typing import Any

from django.utils import timezone
from rest_framework import serializers
from rest_framework.exceptions import ValidationError

from analytics.partitions import oldest_kept_month
from consent.policies.event_lifetime import months_kept
from consent.pseudonyms import MAX_ID
from consent.registry.cleaning import as_text
from ingest.mapping.identity import FUTURE

Day = date  # where `date` is a field's name


# --- What is sent ----------------------------------------------------------------------------------
class CustomerId(serializers.CharField):
    """An organization's raw id, read as ingest reads it in events: numbers are written out."""

    def to_internal_value(self, sent: Any) -> str:
        text = as_text(sent)
        return super().to_internal_value(sent if text is None else text)


class CustomerReport(serializers.Serializer[Any]):
    customer_id = CustomerId(
        required=False,
        allow_null=True,
        allow_blank=True,
        max_length=MAX_ID,
        help_text="The organization, as its events name it; only its pseudonym is kept. "
        "A key bound to an organization supplies it, and refuses another.",
    )


class Heartbeat(CustomerReport):
    timestamp = serializers.DateTimeField(help_text="ISO 8601; without a zone it is UTC.")
    metrics = serializers.DictField(help_text="Names and finite numbers; anything else is dropped.")

    def validate_timestamp(self, timestamp: datetime) -> datetime:
        now = timezone.now()
        if timestamp > now + FUTURE:
            raise ValidationError("is more than 24 hours ahead")
        if timestamp < (oldest := oldest_kept()):
            raise ValidationError(f"is before {oldest:%F}, the oldest day that is kept")
        return timestamp


class Analytics(CustomerReport):
    date = serializers.DateField(help_text="The day it is about, ISO 8601.")
    analytics = serializers.DictField(help_text="Names and finite numbers; anything else is dropped.")

    def validate_date(self, day: Day) -> Day:
        if day > timezone.now().date() + timedelta(days=1):
            raise ValidationError("is after tomorrow (UTC)")
        if day < (oldest := oldest_kept().date()):
            raise ValidationError(f"is before {oldest}, the oldest day that is kept")
        return day


class LicenseCheck(serializers.Serializer[Any]):
    license_key = serializers.CharField(
        required=False, allow_null=True, help_text="In place of the header, for collectors that send it here."
    )


def oldest_kept() -> datetime:
    return oldest_kept_month(timezone.now(), months_kept()).starts_at


# --- What is answered ------------------------------------------------------------------------------
class TermsAnswer(serializers.Serializer[Any]):
    valid = serializers.BooleanField()
    customer_name = serializers.CharField()
    entitlements = serializers.DictField()
    expires_at = serializers.DateTimeField(allow_null=True)
    warnings = serializers.ListField(child=serializers.CharField())


class RecordedAnswer(serializers.Serializer[Any]):
    outcome = serializers.ChoiceField(["stored", "replaced", "unchanged", "not_kept"])
    kept = serializers.IntegerField(help_text="Numbers kept.")
    dropped = serializers.IntegerField(help_text="Entries that were not kept; `warnings` say why.")
    warnings = serializers.ListField(child=serializers.CharField())
