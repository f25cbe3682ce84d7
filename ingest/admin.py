"""Counts and seen names, to look at. Nothing here is changed by hand."""

from django.contrib import admin

from analytics.admin import ReadOnlyAdmin
from ingest.models import RejectedRequest, SeenName, TrafficCount, UndeclaredName


@admin.register(TrafficCount)
class TrafficCountAdmin(ReadOnlyAdmin):
    list_display = ["minute", "key_id", "signal", "outcome", "reason", "count"]
    list_filter = ["signal", "outcome", "reason"]
    ordering = ["-minute"]


@admin.register(SeenName)
class SeenNameAdmin(ReadOnlyAdmin):
    list_display = ["name", "kind", "key_id", "first_seen_on"]
    list_filter = ["kind", "first_seen_on"]
    search_fields = ["name"]


@admin.register(RejectedRequest)
class RejectedRequestAdmin(ReadOnlyAdmin):
    list_display = ["at", "key_id", "signal", "transport", "status", "reason"]
    list_filter = ["signal", "status", "reason"]
    ordering = ["-id"]


@admin.register(UndeclaredName)
class UndeclaredNameAdmin(ReadOnlyAdmin):
    list_display = ["name", "key_id", "day", "count"]
    list_filter = ["day"]
    search_fields = ["name"]
    ordering = ["-day", "name"]
