from django.apps import AppConfig
from django.contrib import admin


class DashboardsConfig(AppConfig):
    name = "dashboards"

    def ready(self) -> None:
        admin.site.site_url = None  # templates/admin/base_site.html leads back to the dashboards
