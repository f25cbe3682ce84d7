from django.apps import AppConfig


class TelemetrySiteConfig(AppConfig):
    name = "telemetry_site"
