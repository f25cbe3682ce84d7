"""Counts and seen names, to look at. Nothing here is changed by hand."""

from django.contrib import admin

from analytics.admin import ReadOnlyAdmin
from ingest.models import SeenName, TrafficCount


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
