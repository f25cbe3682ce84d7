from django.apps import AppConfig
from django.contrib import admin
from django.core.checks import register


class DashboardsConfig(AppConfig):
    name = "dashboards"

    def ready(self) -> None:
        from dashboards import checks  # the catalogue needs models

        register(checks.reports_are_complete)
        admin.site.site_url = None  # templates/admin/base_site.html leads back to the dashboards
