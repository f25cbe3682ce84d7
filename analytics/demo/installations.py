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
    today = now.astimezone(UTC).date()
    first_day = today - timedelta(days=days - 1)
    rows, beats = [], []
    for number in range(min(count, MOST)):
        old = random.random() < 0.7
        since = 0 if old else int(random.integers(0, days))
        quiet = random.random() < 0.1
        until = int(random.integers(since, days)) if quiet else days
        seconds = int(random.integers(0, 86_000))
        version = VERSIONS[-1 - min(int(random.exponential(1.3)), len(VERSIONS) - 1)]
        name = demo_installation(number)
        seen = [
            datetime.combine(first_day, datetime.min.time(), UTC) + timedelta(days=day, seconds=seconds)
            for day in range(since, until)
            if day == since or random.random() < 0.96
        ]
        seen = [at for at in seen if at <= now]
        if not seen:
            continue
        rows.append(
            Installation(
                pseudonym=name,
                app_version=version,
                platform=_pick(random, PLATFORMS),
                architecture=_pick(random, ARCHITECTURES),
                release_channel=_pick(random, CHANNELS),
                deployment_type="self-hosted" if random.random() < 0.86 else "cloud",
                first_seen_at=seen[0] - timedelta(days=int(random.integers(1, 200)) if old else 0),
                last_seen_at=seen[-1],
            )
        )
        beats.append((number, seen))
    Installation.objects.bulk_create(rows, batch_size=1000)
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


def remove_installations() -> int:
    """Delete the demo installations with their heartbeats; returns how many there were."""
    names = [demo_installation(number) for number in range(MOST)]
    ours = Installation.objects.filter(pseudonym__in=names)
    removed = ours.count()
    InstallationEvent.objects.filter(installation__in=ours).delete()
    ours.delete()
    return removed


def _pick(random: np.random.Generator, kinds: tuple[tuple[str, float], ...]) -> str:
    return kinds[int(random.choice(len(kinds), p=[share for _, share in kinds]))][0]
