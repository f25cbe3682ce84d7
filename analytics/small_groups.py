"""Small groups: how many people are too few to be counted in public (the setting `SUPPRESS_BELOW`).

The one rule that reports, sealed days and heartbeats share. Reports build on it in
`analytics.reports.suppression.rules`, where hidden numbers must not follow from shown ones either.
"""

from django.conf import settings


def too_few(people: float) -> bool:
    """Whether a group has somebody in it, but fewer than `SUPPRESS_BELOW` people. Nobody is not too few."""
    return 0 < people < int(settings.SUPPRESS_BELOW)


def enough(people: float) -> bool:
    """Whether a group has at least `SUPPRESS_BELOW` people."""
    return people >= int(settings.SUPPRESS_BELOW)
