"""Whether an organization's use is the vendor's own: whoever counts events is told when staff change it.

The floors above count; this signal lets them hear of it (`analytics/apps.py`).
"""

from typing import Any

from django.dispatch import Signal

from consent.models import Organization

# Sent after the commit, with `organization` (a pseudonym). Receivers answer how many days they count again,
# or None when they do so later.
changed = Signal()


def days_counted_again(organization: str) -> int | None:
    """Tell of the change; returns how many days are counted again, None if that is not known yet."""
    answers: list[Any] = [
        answer for _, answer in changed.send(sender=Organization, organization=organization)
    ]
    return None if None in answers else sum(answers)
