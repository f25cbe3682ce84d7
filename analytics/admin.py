"""Jobs, what was sent, and installations in the Django admin: read, never written here."""

from django.contrib import admin
from django.db.models import Count, Model, QuerySet
from django.db.models.functions import TruncDate
from django.http import HttpRequest
from django.utils.html import format_html_join

from analytics.models import Installation, JobRun, SentHeartbeat


class ReadOnlyAdmin(admin.ModelAdmin):  # type: ignore[type-arg]  # generic in the stubs only
    actions = None

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        return False


@admin.register(JobRun)
class JobRunAdmin(ReadOnlyAdmin):
    list_display = ("job", "started_at", "took", "outcome", "summary")
    list_filter = ("job", "outcome")

    @admin.display(description="took")
    def took(self, run: JobRun) -> str:
        return f"{(run.ended_at - run.started_at).total_seconds():.2f} s" if run.ended_at else "–"


@admin.register(SentHeartbeat)
class SentHeartbeatAdmin(ReadOnlyAdmin):
    list_display = ("name", "day", "sent_at", "status_code", "answer", "attempts")
    list_filter = ("name",)


@admin.register(Installation)
class InstallationAdmin(ReadOnlyAdmin):
    list_display = (
        "__str__", "app_version", "platform", "deployment_type", "first_seen_at", "last_seen_at", "heartbeats"
    )  # fmt: skip
    list_filter = ("deployment_type", "platform", "app_version")
    search_fields = ("pseudonym",)
    search_help_text = "By pseudonym"
    readonly_fields = ("heartbeats_by_day",)

    def get_queryset(self, request: HttpRequest) -> QuerySet[Installation]:
        return Installation.objects.annotate(events_received=Count("events"))

    @admin.display(description="base events", ordering="events_received")
    def heartbeats(self, installation: Installation) -> int:
        return int(installation.events_received)  # type: ignore[attr-defined]

    @admin.display(description="base events by day (UTC, the latest 30)")
    def heartbeats_by_day(self, installation: Installation) -> str:
        days = installation.events.values(day=TruncDate("timestamp")).annotate(received=Count("id"))
        rows = days.order_by("-day").values_list("day", "received")[:30]
        return format_html_join("\n", "<div>{}: {}</div>", rows)
