"""Organizations and users: their pages, and the decisions that admins may record."""

from typing import Any, ClassVar

from django.contrib import admin, messages
from django.db import transaction
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse
from django.template.response import TemplateResponse

from consent.admin.forms import NewOrganizationForm, NewUserForm, OrganizationForm
from consent.admin.subjects import SubjectAdmin
from consent.decisions import internal_use
from consent.decisions.account_reports import organizations_with_account_reports
from consent.decisions.recording import BarrierNotReached
from consent.gate import barrier
from consent.models import Level, Organization, State, SubjectKind, TelemetryUser


@admin.register(Organization)
class OrganizationAdmin(SubjectAdmin):
    kind = SubjectKind.ORGANIZATION
    form = OrganizationForm
    add_form = NewOrganizationForm
    searched = "labels and pseudonyms"
    search_fields = ("label", "pseudonym")
    search_help_text = "By label or pseudonym"
    list_display = ("__str__", "short_pseudonym", "deployment_type", "is_internal", "state", "updated_at")
    list_filter = ("state", "deployment_type", "is_internal")
    readonly_fields: ClassVar[Any] = ("pseudonym", "state", "created_at", "updated_at", "account", "periods")
    actions = ("grant", "deny", "unset", "grant_account", "end_account")

    def get_fieldsets(self, request: HttpRequest, obj: Any = None) -> Any:
        editable = ["label", "is_internal", "deployment_type", "notice_since", "reason"]
        if obj is None:
            return [(None, {"fields": ["raw_id", *editable]})]
        return [
            (None, {"fields": ["pseudonym", *editable]}),
            ("Consent", {"fields": ["state", "account", "periods"]}),
            ("Times", {"fields": ["created_at", "updated_at"]}),
        ]

    def save_model(self, request: HttpRequest, obj: Organization, form: Any, change: bool) -> None:
        if change:  # changed fields only: a decision recorded meanwhile may have changed the state
            obj.save(update_fields=[*form.changes(), "updated_at"])
        else:
            super().save_model(request, obj, form, change)
        if set(form.RULING) & set(form.changed_data) or not change:
            # Another profile may apply from now on: wait until events that the old one admitted are stored.
            transaction.on_commit(lambda: self.reach_barrier(request, obj), using="default")
        if "is_internal" in form.changed_data:
            transaction.on_commit(lambda: self.count_again(request, obj), using="default")

    def construct_change_message(
        self, request: HttpRequest, form: Any, formsets: Any, add: bool = False
    ) -> Any:
        """What the history shows: old and new values, and why."""
        changes = [f"{form[name].label}: {change}" for name, change in form.changes().items()]
        if reason := form.cleaned_data["reason"]:
            changes.append(f"Reason: {reason}")
        return ". ".join(changes) or super().construct_change_message(request, form, formsets, add)

    def reach_barrier(self, request: HttpRequest, organization: Organization) -> None:
        try:
            barrier.wait_for_ingest(organization.pseudonym)
        except BarrierNotReached:
            message = "Saved, but events in flight could not be ruled out. Save again to make sure."
            self.message_user(request, message, messages.ERROR)

    def count_again(self, request: HttpRequest, organization: Organization) -> None:
        """Its past counts as it is marked now: say how much of it, and what stays."""
        days = internal_use.days_counted_again(organization.pseudonym)
        if days is None:
            message = "Its past days are counted again in the background."
        else:
            counted = "1 day is" if days == 1 else f"{days} days are"
            message = f"{counted} counted again within minutes."
        self.message_user(request, f"{message} Sealed days keep what they said.", messages.SUCCESS)

    @admin.action(description="Opt in…", permissions=["change"])
    def grant(self, request: HttpRequest, rows: QuerySet[Organization]) -> TemplateResponse | None:
        explanation = "Detailed events of these organizations may be stored from now on, if users agree:"
        return self.decide(request, rows, "grant", State.GRANTED, explanation)

    @admin.action(description="Opt out…", permissions=["change"])
    def deny(self, request: HttpRequest, rows: QuerySet[Organization]) -> TemplateResponse | None:
        explanation = "No detailed event of these organizations will be stored from now on:"
        return self.decide(request, rows, "deny", State.DENIED, explanation)

    @admin.action(description="Back to not decided…", permissions=["change"])
    def unset(self, request: HttpRequest, rows: QuerySet[Organization]) -> TemplateResponse | None:
        explanation = "The profile of their deployment type will decide about these organizations:"
        return self.decide(request, rows, "unset", State.UNSET, explanation)

    @admin.action(description="Allow account reports…", permissions=["change"])
    def grant_account(self, request: HttpRequest, rows: QuerySet[Organization]) -> TemplateResponse | None:
        explanation = (
            "These organizations opt in, and staff may see each one's own totals, however few its people:"
        )
        return self.decide(request, rows, "grant_account", State.GRANTED, explanation, Level.ACCOUNT)

    @admin.action(description="End account reports…", permissions=["change"])
    def end_account(self, request: HttpRequest, rows: QuerySet[Organization]) -> TemplateResponse | None:
        explanation = "These organizations stay opted in, but staff no longer see totals of few people:"
        allowing = rows.filter(pseudonym__in=organizations_with_account_reports())
        return self.decide(request, allowing, "end_account", State.GRANTED, explanation, Level.DETAILED)


@admin.register(TelemetryUser)
class TelemetryUserAdmin(SubjectAdmin):
    """Can be denied only: an admin who granted, or undid a denial, would speak for the user."""

    kind = SubjectKind.USER
    add_form = NewUserForm
    searched = "pseudonyms"
    search_fields = ("pseudonym",)
    search_help_text = "By pseudonym"
    list_display = ("__str__", "short_pseudonym", "state", "updated_at")
    readonly_fields = ("pseudonym", "state", "created_at", "updated_at", "account", "periods")
    actions = ("deny",)

    def get_fieldsets(self, request: HttpRequest, obj: Any = None) -> Any:
        if obj is None:
            return [(None, {"fields": ["raw_id"]})]
        return [
            (None, {"fields": ["pseudonym"]}),
            ("Consent", {"fields": ["state", "account", "periods"]}),
            ("Times", {"fields": ["created_at", "updated_at"]}),
        ]

    def change_view(
        self,
        request: HttpRequest,
        object_id: str,
        form_url: str = "",
        extra_context: dict[str, Any] | None = None,
    ) -> HttpResponse:
        """Has no buttons for saving: only decisions change anything here."""
        no_buttons = {"show_save": False, "show_save_and_continue": False, "show_save_and_add_another": False}
        return super().change_view(request, object_id, form_url, no_buttons | (extra_context or {}))

    @admin.action(description="Opt out…", permissions=["change"])
    def deny(self, request: HttpRequest, rows: QuerySet[TelemetryUser]) -> TemplateResponse | None:
        explanation = "No detailed event of these users will be stored. Only they can opt in again:"
        return self.decide(request, rows, "deny", State.DENIED, explanation)
