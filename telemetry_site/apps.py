from django.apps import AppConfig
from django.core.exceptions import ImproperlyConfigured


class TelemetrySiteConfig(AppConfig):
    name = "telemetry_site"

    def ready(self) -> None:
        """Refuse to start without proper secrets: commands, web processes and workers all come here."""
        from telemetry_site import checks

        missing = checks.keys()
        if missing:
            raise ImproperlyConfigured(
                " ".join(f"{error.id}: {error.msg} {error.hint}." for error in missing)
            )

        from telemetry_site import start

        start.connect()
