"""Demo installations: versions that follow each other, some gone quiet, some new."""

import uuid
from datetime import UTC, datetime, timedelta

import numpy as np

from analytics.demo.product import ARCHITECTURES, CHANNELS, PLATFORMS, VERSIONS
from analytics.models import Installation, InstallationEvent
from consent.pseudonyms import keyed_digest, pseudonym

MOST = 2_000  # pseudonyms that `--remove` looks for


def demo_installation(number: int) -> str:
    return pseudonym("installation", f"demo-installation-{number}")


def make_installations(random: np.random.Generator, *, count: int, days: int, now: datetime) -> int:
    """Write `count` installations with a heartbeat a day; returns how many heartbeats."""
    installations, beats = [], []
    for number in range(min(count, MOST)):
        installation, seen = _installation(random, number, days, now)
        if seen:
            installations.append(installation)
            beats.append((number, seen))
    Installation.objects.bulk_create(installations, batch_size=1000)
    keys = dict(Installation.objects.values_list("pseudonym", "pk"))
    InstallationEvent.objects.bulk_create(
        (
            InstallationEvent(
                id=uuid.UUID(bytes=keyed_digest(f"demo {number} {at.isoformat()}".encode(), 16)),
                installation_id=keys[demo_installation(number)],
                name="first_seen" if at == seen[0] else "heartbeat",
                timestamp=at,
                received_at=at,
            )
            for number, seen in beats
            for at in seen
        ),
        batch_size=5000,
    )
    return sum(len(seen) for _, seen in beats)


def _installation(
    random: np.random.Generator, number: int, days: int, now: datetime
) -> tuple[Installation, list[datetime]]:
    """An installation, not saved yet, and when it was seen; a new one may not have been seen before `now`."""
    old = random.random() < 0.7
    since = 0 if old else int(random.integers(0, days))
    quiet = random.random() < 0.1
    until = int(random.integers(since, days)) if quiet else days
    seconds = int(random.integers(0, 86_000))
    version = VERSIONS[-1 - min(int(random.exponential(1.3)), len(VERSIONS) - 1)]
    today = datetime.combine(now.astimezone(UTC).date(), datetime.min.time(), UTC)
    start = today - timedelta(days=days - 1) + timedelta(seconds=seconds)
    seen = [
        start + timedelta(days=day) for day in range(since, until) if day == since or random.random() < 0.96
    ]
    seen = [at for at in seen if at <= now]
    installation = Installation(
        pseudonym=demo_installation(number),
        app_version=version,
        platform=_pick(random, PLATFORMS),
        architecture=_pick(random, ARCHITECTURES),
        release_channel=_pick(random, CHANNELS),
        deployment_type="self-hosted" if random.random() < 0.86 else "cloud",
        first_seen_at=min(seen, default=now) - timedelta(days=int(random.integers(1, 200)) if old else 0),
        last_seen_at=max(seen, default=now),
    )
    return installation, seen


def remove_installations() -> int:
    """Delete the demo installations with their heartbeats; returns how many there were."""
    names = [demo_installation(number) for number in range(MOST)]
    demo_installations = Installation.objects.filter(pseudonym__in=names)
    removed = demo_installations.count()
    InstallationEvent.objects.filter(installation__in=demo_installations).delete()
    demo_installations.delete()
    return removed


def _pick(random: np.random.Generator, kinds: tuple[tuple[str, float], ...]) -> str:
    return kinds[int(random.choice(len(kinds), p=[share for _, share in kinds]))][0]
