"""`manage.py list_keys`: every key, with what it may do and whether it is still usable."""

from typing import Any

from django.core.management.base import BaseCommand

from consent.models import Key

COLUMNS = ("ID", "NAME", "BEGINS", "SCOPES", "ORGANIZATION", "MADE", "LAST USED", "STATE")


class Command(BaseCommand):
    help = (
        "List the API keys, the newest first. It shows their first characters only: the rest is not stored."
    )

    def handle(self, *args: Any, **options: Any) -> None:
        rows = [COLUMNS, *(_row(key) for key in Key.objects.all())]
        widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
        for row in rows:
            self.stdout.write(
                "  ".join(text.ljust(width) for text, width in zip(row, widths, strict=True)).rstrip()
            )


def _row(key: Key) -> tuple[str, ...]:
    scopes = ",".join(key.scopes) + (" (publishable)" if key.is_publishable else "")
    organization = f"{key.organization[:12]}…" if key.organization else "any"
    used = f"{key.last_used_at:%F}" if key.last_used_at else "never"
    return (
        str(key.pk), key.name, f"{key.hint}…", scopes, organization, f"{key.created_at:%F}", used, _state(key)
    )  # fmt: skip


def _state(key: Key) -> str:
    if key.revoked_at:
        return f"revoked {key.revoked_at:%F}"
    if key.expires_at is None:
        return "usable"
    return f"{'expires' if key.is_usable else 'expired'} {key.expires_at:%F %H:%M} UTC"
