"""The operator's settings, in the form that the rules read."""

from django.conf import settings
from django.utils.dateparse import parse_datetime

from consent.gate.rules import Profile, Switches


def switches() -> Switches:
    """What the operator has set for the whole instance."""
    return Switches(
        detailed=settings.TELEMETRY_ENABLED,
        base=settings.BASE_TELEMETRY_ENABLED,
        cloud=Profile(settings.CONSENT_PROFILE_CLOUD),
        self_hosted=Profile(settings.CONSENT_PROFILE_SELF_HOSTED),
        notice_since=parse_datetime(settings.CONSENT_NOTICE_SINCE) if settings.CONSENT_NOTICE_SINCE else None,
    )


def base_allowed() -> bool:
    """Whether base events are stored. If so, only an event's own signal (Do Not Track) refuses it."""
    return settings.BASE_TELEMETRY_ENABLED is True
