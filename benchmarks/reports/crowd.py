"""Makes up people, their organizations, and the days on which they come.

A few people are far more active, and a few organizations far larger, than the others. Everything
follows from the seed.
"""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Integers = NDArray[np.int64]
Texts = NDArray[np.bytes_]

DEPLOYMENTS = (b"cloud", b"self-hosted", b"unknown")
OF_ORGANIZATIONS = (0.70, 0.25, 0.05)  # share of organizations, by deployment type
ALREADY_THERE = 0.55  # share of people who came before the first day
IN_TWO = 0.03  # share of people who are in a second organization on some days
INTERNAL = 0.01  # share of organizations that are internal
SECOND_APP = 0.2  # share of events that somebody causes with the app that they use less
ELSEWHERE = 0.15  # the same for another platform than the usual one
# Which value people have of each dimension: app, version and platform by person, environment by organization.
USUAL = {
    "app": (0.7, 0.3),
    "version": (0.6, 0.3, 0.1),
    "environment": (0.93, 0.07),
    "platform": (0.45, 0.3, 0.15, 0.07, 0.03),
}
WEEKDAYS = (1.0, 1.05, 1.05, 1.0, 0.9, 0.4, 0.35)


@dataclass(frozen=True)
class Size:
    """How much to make."""

    events: int = 10_000_000
    days: int = 90
    people: int = 200_000
    organizations: int = 2_000
    endpoints: int = 60
    features: int = 40


@dataclass(frozen=True)
class Crowd:
    """People by number: pseudonyms, organizations, when they came and how often they come back."""

    pseudonyms: Texts
    organization: Integers
    second: Integers  # organization, -1 for none
    first_day: Integers  # may be before the first day of the data
    rate: NDArray[np.float64]  # share of weekdays
    intensity: NDArray[np.float64]  # events, relative
    organizations: Texts  # pseudonyms
    deployment: Integers  # by organization, index into DEPLOYMENTS
    is_internal: NDArray[np.bool_]  # by organization
    usual: dict[str, Integers]  # number of the usual value of each dimension (USUAL)


def crowd(random: np.random.Generator, size: Size) -> Crowd:
    """Make organizations, the largest of them several hundred times the smallest, a few of them internal."""
    weight = 1 / (np.arange(size.organizations) + 5) ** 0.9
    of = random.choice(size.organizations, size.people, p=weight / weight.sum())
    elsewhere = random.choice(size.organizations, size.people, p=weight / weight.sum())
    came = random.integers(0, size.days, size.people)
    before = random.random(size.people) < ALREADY_THERE
    return Crowd(
        pseudonyms=pseudonyms(random, size.people),
        organization=of,
        second=np.where(random.random(size.people) < IN_TWO, elsewhere, -1),
        first_day=np.where(before, -random.integers(0, 400, size.people), came),
        rate=random.beta(0.6, 2.2, size.people),
        intensity=random.lognormal(0, 1, size.people),
        organizations=pseudonyms(random, size.organizations),
        deployment=random.choice(len(DEPLOYMENTS), size.organizations, p=OF_ORGANIZATIONS),
        is_internal=random.random(size.organizations) < INTERNAL,
        usual={
            name: random.choice(
                len(shares), size.organizations if name == "environment" else size.people, p=shares
            )
            for name, shares in USUAL.items()
        },
    )


def pseudonyms(random: np.random.Generator, count: int) -> Texts:
    """Texts of 32 hexadecimal digits."""
    return np.frombuffer(random.bytes(16 * count).hex().encode(), dtype="S32")


def present(random: np.random.Generator, people: Crowd, size: Size, weekday: int) -> Iterator[Integers]:
    """The people who come on each day; the first is a `weekday` (0: Monday). Interest fades in a month."""
    for day in range(size.days):
        age = day - people.first_day
        interest = np.where(age < 0, 0.0, 0.3 + 0.7 * np.exp(-age / 30))
        likely = people.rate * interest * WEEKDAYS[(weekday + day) % 7]
        yield np.flatnonzero((random.random(size.people) < likely) | (age == 0))
