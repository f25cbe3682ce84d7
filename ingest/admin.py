"""Counts and seen names, to look at. Nothing here is changed by hand."""

from typing import Any

from django.contrib import admin
from django.http import HttpRequest

from ingest.models import SeenName, TrafficCount


class ReadOnly(admin.ModelAdmin[Any]):
    """May be looked at, and no more."""

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: object = None) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: object = None) -> bool:
        return False


@admin.register(TrafficCount)
class TrafficCountAdmin(ReadOnly):
    list_display = ["minute", "key_id", "signal", "outcome", "reason", "count"]
    list_filter = ["signal", "outcome", "reason"]
    ordering = ["-minute"]


@admin.register(SeenName)
class SeenNameAdmin(ReadOnly):
    list_display = ["name", "kind", "key_id", "first_seen_on"]
    list_filter = ["kind", "first_seen_on"]
    search_fields = ["name"]
