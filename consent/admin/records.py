"""What is recorded and never changed: decisions, and who looked at whom."""

from django.contrib import admin

from consent.admin.base import NotedAdmin, ReadAdmin
from consent.models import Decision, SubjectView


@admin.register(Decision)
class DecisionAdmin(NotedAdmin, ReadAdmin):
    """The decision log."""

    list_page, row_page = "decisions", "decision"
    list_display = (
        "number",
        "recorded_at",
        "subject_kind",
        "short_subject",
        "state",
        "policy_version",
        "method",
        "actor",
        "reason",
    )
    list_filter = ("subject_kind", "state", "method", "policy_version")
    search_fields = ("=subject",)
    search_help_text = "By whole pseudonym"

    @admin.display(description="subject")
    def short_subject(self, row: Decision) -> str:
        return f"{row.subject[:12]}…"


@admin.register(SubjectView)
class SubjectViewAdmin(ReadAdmin):
    """Who looked at whom."""

    list_display = ("viewed_at", "viewed_by", "subject_kind", "short_subject", "page")
    list_filter = ("viewed_by", "page", "subject_kind")
    search_fields = ("=subject", "viewed_by")
    search_help_text = "By whole pseudonym, or by sign-in name"

    @admin.display(description="subject")
    def short_subject(self, row: SubjectView) -> str:
        return f"{row.subject[:12]}…"
