"""Where demo events come from: app, version, environment and platform, one of each per session.

Versions roll out as in life: in the cloud within days, with customers who host it themselves after weeks.
So on every day several are in use. A generator of its own draws all this: what people do stays as it was.
"""

from itertools import product
from typing import NamedTuple

import numpy as np

from analytics.demo.people import Floats, Integers, Population
from analytics.demo.product import (
    APPS,
    CUSTOMERS,
    ENVIRONMENTS,
    OF_SECOND_APP,
    OF_STAGING,
    PEOPLES_PLATFORMS,
    RELEASED,
    VERSIONS,
)

SEED = 20261130


class Origins(NamedTuple):
    """Each session's origin, as an index into `texts`: the attributes as JSON, without the braces."""

    of_session: Integers
    texts: list[str]


def origins(people: Population, person: Integers, day: Integers) -> Origins:
    """The origins of sessions, of each of which this is the person and the day. The same give the same."""
    random = np.random.default_rng(SEED)
    platform = _drawn(random, PEOPLES_PLATFORMS, len(people.customer))[person]
    app = random.random(len(person)) < _shares(random, OF_SECOND_APP, people)[person]
    in_staging = _shares(random, OF_STAGING, people)
    in_staging[np.array([customer.is_internal for customer in CUSTOMERS])[people.customer]] = 0.5
    environment = random.random(len(person)) < in_staging[person]
    late = np.array([customer.days_late for customer in CUSTOMERS])[people.customer][person]
    # Staging has the next version three days before anybody else.
    age = people.days - 1 - day + np.where(environment, -3, late)
    version = (age[:, None] <= np.array(RELEASED)).sum(axis=1)
    chosen = np.zeros(len(person), dtype=np.int64)
    for which, kinds in zip((app, version, environment, platform), _KINDS, strict=True):
        chosen = chosen * len(kinds) + which
    return Origins(chosen, _texts())


_KINDS = (APPS, VERSIONS, ENVIRONMENTS, tuple(name for name, _ in PEOPLES_PLATFORMS))
_NAMES = ("app", "app_version", "environment", "platform")


def _texts() -> list[str]:
    """Every combination, in the order in which `origins` numbers them."""
    return [
        ", ".join(f'"{name}": "{value}"' for name, value in zip(_NAMES, values, strict=True))
        for values in product(*_KINDS)
    ]


def _drawn(random: np.random.Generator, kinds: tuple[tuple[object, float], ...], size: int) -> Integers:
    return random.choice(len(kinds), size=size, p=[share for _, share in kinds]).astype(np.int64)


def _shares(
    random: np.random.Generator, kinds: tuple[tuple[float, float], ...], people: Population
) -> Floats:
    """For each person, the share of their sessions that differs from the usual."""
    return np.array([share for share, _ in kinds])[_drawn(random, kinds, len(people.customer))]
