"""Demo people, and the days on which they are active: growth, weekdays, cohorts that stay or leave."""

from dataclasses import dataclass
from datetime import date, timedelta
from typing import Any

import numpy as np
from numpy.typing import NDArray

from analytics.demo.product import CUSTOMERS

Integers = NDArray[np.int64]
Floats = NDArray[np.float64]
WEEKDAYS = np.array([1.0, 1.04, 1.02, 0.99, 0.9, 0.34, 0.3])  # Monday to Sunday
# Hours ahead of UTC, and the share of people who live there: somebody is at work at every hour.
ZONES = ((-8, 0.12), (-5, 0.18), (0, 0.2), (1, 0.24), (3, 0.06), (5.5, 0.1), (8, 0.06), (10, 0.04))
ALREADY_THERE = 0.3  # share of people who signed up before the first day, and stayed


@dataclass(frozen=True)
class Population:
    """`present` holds one (person, day) pair per row; days count from `first_day`."""

    first_day: date
    days: int
    customer: Integers  # index into CUSTOMERS, per person
    signed_up: Integers  # day, negative for those who were there before
    zone: Floats  # hours ahead of UTC, per person
    intensity: Floats  # how much each person does, mean 1
    present: Integers  # shape (n, 2)


def population(random: np.random.Generator, *, people: int, days: int, today: date) -> Population:
    """People and their days of use."""
    first_day = today - timedelta(days=days - 1)
    weekday = (np.arange(days) + first_day.weekday()) % 7
    weights = np.array([customer.weight for customer in CUSTOMERS])
    customer = random.choice(len(CUSTOMERS), size=people, p=weights / weights.sum())
    signed_up = _sign_ups(random, people, days, weekday)
    cohort = np.clip(signed_up, 0, None) / days
    self_hosted = np.array([one.deployment_type == "self-hosted" for one in CUSTOMERS])[customer]
    stays = (signed_up < 0) | (random.random(people) < 0.2 + 0.32 * cohort + 0.06 * self_hosted)
    lifetime = np.where(stays, random.exponential(420, people), random.exponential(1.1, people))
    habit = np.where(stays, 0.25 + 0.65 * random.beta(2.2, 2.0, people), 0.5)
    day = np.arange(days)
    alive = (day >= signed_up[:, None]) & (day <= (np.clip(signed_up, 0, None) + lifetime)[:, None])
    chance = habit[:, None] * np.where(self_hosted[:, None], 0.35 + 0.65 * WEEKDAYS, WEEKDAYS)[:, weekday]
    present = alive & ((random.random((people, days)) < chance) | (day == signed_up[:, None]))
    return Population(
        first_day=first_day,
        days=days,
        customer=customer.astype(np.int64),
        signed_up=signed_up,
        zone=random.choice([hours for hours, _ in ZONES], size=people, p=[share for _, share in ZONES]),
        intensity=random.lognormal(-0.18, 0.6, people),
        present=np.argwhere(present),
    )


def _sign_ups(random: np.random.Generator, people: int, days: int, weekday: NDArray[Any]) -> Integers:
    """The day each person signed up: more every week, few at weekends."""
    rate = WEEKDAYS[weekday] * (0.6 + 0.9 * np.arange(days) / days)
    later = random.choice(days, size=people, p=rate / rate.sum())
    before = -random.integers(1, 200, size=people)
    return np.where(random.random(people) < ALREADY_THERE, before, later).astype(np.int64)
