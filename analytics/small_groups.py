"""Small groups: how many people are too few to be counted in public (the setting `SUPPRESS_BELOW`).

The one rule that reports, sealed days and heartbeats share. Reports build on it in
`analytics.reports.suppression.rules`, where hidden numbers must not follow from shown ones either.
"""

import numpy as np
from django.conf import settings
from numpy.typing import NDArray


def too_few(people: float) -> bool:
    """Whether a group has somebody in it, but fewer than `SUPPRESS_BELOW` people. Nobody is not too few."""
    return 0 < people < int(settings.SUPPRESS_BELOW)


def enough(people: float) -> bool:
    """Whether a group has at least `SUPPRESS_BELOW` people."""
    return people >= int(settings.SUPPRESS_BELOW)


def are_too_few(people: NDArray[np.int64]) -> NDArray[np.bool_]:
    """The same as `too_few` of each of these numbers."""
    flags: NDArray[np.bool_] = (people > 0) & (people < int(settings.SUPPRESS_BELOW))
    return flags


def are_enough(people: NDArray[np.int64]) -> NDArray[np.bool_]:
    """The same as `enough` of each of these numbers."""
    flags: NDArray[np.bool_] = people >= int(settings.SUPPRESS_BELOW)
    return flags
