"""Addresses of the report API, and of the documentation of every API."""

from django.urls import path

from dashboards.api.schema import SchemaView
from dashboards.api.views import REPORT_VIEWS, Documentation

urlpatterns = [
    *(path(f"api/reports/{name}", view, name=f"report-{name}") for name, view in REPORT_VIEWS.items()),
    path("api/schema/", SchemaView.as_view(authentication_classes=[], permission_classes=[]), name="schema"),
    path(
        "api/docs/",
        Documentation.as_view(authentication_classes=[], permission_classes=[]),
        name="api-docs",
    ),
]
