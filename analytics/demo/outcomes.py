"""How demo events end: errors with their places, durations, memory. Some errors came with the newest version.

A generator of its own draws all this: what people do stays as it was.
"""

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from analytics.demo.people import Floats, Integers
from analytics.demo.product import FAILURES, FEATURES, SERVER_ERRORS, TIMED, VERSIONS

SEED = 20261201


class DemoUses(NamedTuple):
    """One use of a feature per entry: indices of the feature and of its action."""

    feature: Integers
    action: Integers
    is_newest: NDArray[np.bool_]  # whether the app has the newest version


def of_uses(uses: DemoUses, block: int) -> list[str]:
    """What the metadata of each use says of its end: JSON that follows other attributes; '' for nothing."""
    random = np.random.default_rng((SEED, block))
    told = [""] * len(uses.feature)
    for of_action, (p50_ms, p95_ms, memory_mb) in TIMED.items():
        chosen = _of_action(uses, of_action)
        spread = np.log(p95_ms / p50_ms) / 1.645
        ms = p50_ms * np.exp(random.normal(0, 1, len(chosen)) * spread) * (1 + 0.3 * uses.is_newest[chosen])
        memory = memory_mb * np.exp(random.normal(0, 0.25, len(chosen)))
        for place, one, needed in zip(chosen.tolist(), ms.tolist(), memory.tolist(), strict=True):
            told[place] += f', "duration_ms": {one:.1f}'
            if memory_mb:
                told[place] += f', "memory_mb": {needed:.0f}'
    for failure in FAILURES:
        chosen = _of_action(uses, (failure.feature, failure.action))
        share: Floats = np.where(uses.is_newest[chosen], failure.in_newest, failure.share)
        for place in chosen[random.random(len(chosen)) < share].tolist():
            if "error.type" not in told[place]:
                told[place] += _error(failure.error_type, failure.place)
    return told


def of_requests(endpoint: list[int], status: list[int]) -> Iterator[str]:
    """The same of requests: the class of an error for each that failed."""
    for which, code in zip(endpoint, status, strict=True):
        yield _error(SERVER_ERRORS[(which + code) % len(SERVER_ERRORS)]) if code >= 500 else ""


def newest(origins: list[str]) -> NDArray[np.bool_]:
    """Which of these origins have the newest version."""
    return np.array([f'"{VERSIONS[-1]}"' in text for text in origins], dtype=np.bool_)


def _error(error_type: str, place: str = "") -> str:
    named = f', "code.function.name": "{place}"' if place else ""
    return f', "error.type": "{error_type}"{named}'


def _of_action(uses: DemoUses, named: tuple[str, str]) -> Integers:
    feature = next(number for number, one in enumerate(FEATURES) if one.name == named[0])
    action = FEATURES[feature].actions.index(named[1])
    return np.flatnonzero((uses.feature == feature) & (uses.action == action))
