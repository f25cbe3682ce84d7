"""The Django admin of this app: jobs, pruning, sent and received reports (read only), and licences.

It also adds to an organization's page what only events can tell: how many users it has, by their decisions.
"""

from typing import Any

from django import forms
from django.contrib import admin
from django.db.models import Count, Model, QuerySet
from django.db.models.functions import TruncDate
from django.http import HttpRequest, HttpResponse
from django.template.defaultfilters import filesizeformat
from django.template.loader import render_to_string
from django.utils import timezone
from django.utils.html import format_html_join
from django.utils.safestring import SafeString

from analytics.customers.licences import fault_in_entitlements
from analytics.customers.organization_users import DAYS, count_users
from analytics.jobs import status
from analytics.models import (
    CustomerAnalytics,
    CustomerHeartbeat,
    DroppedPartition,
    Installation,
    JobRun,
    License,
    SentHeartbeat,
)
from consent.admin.base import NotedAdmin
from consent.admin.organizations import OrganizationAdmin
from consent.keys import usable_keys
from consent.models import Key, Organization, Scope, SubjectKind


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
    """All runs, below a table of how each job stands."""

    change_list_template = "admin/analytics/job_runs.html"
    list_display = ("job", "started_at", "took", "outcome", "summary")
    list_filter = ("job", "outcome")

    def changelist_view(
        self, request: HttpRequest, extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        states = {"states": status.states(timezone.now())}
        return super().changelist_view(request, (extra_context or {}) | states)

    @admin.display(description="took")
    def took(self, run: JobRun) -> str:
        return f"{(run.ended_at - run.started_at).total_seconds():.2f} s" if run.ended_at else "–"


@admin.register(DroppedPartition)
class DroppedPartitionAdmin(ReadOnlyAdmin):
    list_display = ("month_name", "table", "rows", "size", "dropped_at")
    list_filter = ("table",)

    @admin.display(description="month", ordering="month")
    def month_name(self, dropped: DroppedPartition) -> str:
        return f"{dropped.month:%Y-%m}"

    @admin.display(description="size", ordering="size_bytes")
    def size(self, dropped: DroppedPartition) -> str:
        return filesizeformat(dropped.size_bytes)


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


class CustomersAdmin(NotedAdmin, ReadOnlyAdmin):
    """What customers report. A customer is an organization, so whoever looks at one is recorded."""

    kind = SubjectKind.ORGANIZATION

    def subject_of(self, row: Any) -> tuple[str, str]:
        return self.kind, row.organization_id


@admin.register(CustomerHeartbeat)
class CustomerHeartbeatAdmin(CustomersAdmin):
    list_page, row_page = "heartbeats", "heartbeat"
    list_display = ("organization_id", "timestamp", "metrics", "received_at")
    search_fields = ("organization_id",)
    search_help_text = "By pseudonym"


@admin.register(CustomerAnalytics)
class CustomerAnalyticsAdmin(CustomersAdmin):
    list_page, row_page = "daily analytics", "daily analytics"
    list_display = ("organization_id", "date", "analytics", "received_at")
    search_fields = ("organization_id",)
    search_help_text = "By pseudonym"


admin.site.unregister(Organization)


@admin.register(Organization)
class OrganizationWithUsersAdmin(OrganizationAdmin):
    """The page of an organization that the app `consent` defines, with a count of its users."""

    readonly_fields = (*OrganizationAdmin.readonly_fields, "users_by_state")

    def get_fieldsets(self, request: HttpRequest, obj: Any = None) -> Any:
        fieldsets = super().get_fieldsets(request, obj)
        users = [("Users", {"fields": ["users_by_state"]})] if obj else []
        return [*fieldsets[:2], *users, *fieldsets[2:]]

    @admin.display(description="by decision")
    def users_by_state(self, organization: Organization) -> SafeString:
        context = {"users": count_users(organization.pseudonym), "days": DAYS}
        return render_to_string("admin/analytics/organization_users.html", context)


class LicenseForm(forms.ModelForm):  # type: ignore[type-arg]  # generic in the stubs only
    class Meta:
        model = License
        fields = ("customer_name", "entitlements", "expires_at")

    def clean_entitlements(self) -> dict[str, Any]:
        entitlements = self.cleaned_data["entitlements"]
        if fault := fault_in_entitlements(entitlements):
            raise forms.ValidationError(fault)
        return dict(entitlements or {})


class NewLicenseForm(LicenseForm):
    key = forms.ModelChoiceField(
        Key.objects.none(),
        help_text="A key with the scope “heartbeat” that has no licence yet. The customer uses it; "
        "revoking it ends the licence.",
    )

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        taken = list(License.objects.values_list("key_id", flat=True))  # another database: no join
        free = usable_keys().filter(scopes__contains=[Scope.HEARTBEAT]).exclude(pk__in=taken)
        self.fields["key"].queryset = free  # type: ignore[attr-defined]


@admin.register(License)
class LicenseAdmin(admin.ModelAdmin):  # type: ignore[type-arg]
    """A licence is never deleted: it ends at `expires_at`, or when its key is revoked."""

    form = LicenseForm
    list_display = ("customer_name", "key_shown", "expires_at", "entitlements")
    search_fields = ("customer_name",)
    readonly_fields = ("key_shown", "created_at", "updated_at")

    def get_fieldsets(self, request: HttpRequest, obj: Any = None) -> Any:
        first = "key" if obj is None else "key_shown"
        times = [] if obj is None else ["created_at", "updated_at"]
        return [(None, {"fields": [first, "customer_name", "entitlements", "expires_at", *times]})]

    def get_form(self, request: HttpRequest, obj: Any = None, change: bool = False, **kwargs: Any) -> Any:
        if obj is None:
            kwargs["form"] = NewLicenseForm
        return super().get_form(request, obj, change, **kwargs)

    def save_model(self, request: HttpRequest, obj: License, form: Any, change: bool) -> None:
        if not change:
            obj.key_id = form.cleaned_data["key"].pk
        super().save_model(request, obj, form, change)

    def has_delete_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        return False

    @admin.display(description="key")
    def key_shown(self, licence: License) -> str:
        key = Key.objects.filter(pk=licence.key_id).first()
        if key is None:
            return "deleted"
        return f"{key.name} ({key.hint}…)" + (", revoked" if key.revoked_at else "")
