"""What is on record and never changed: decisions, policy versions, and who looked at whom."""

from typing import Any

from django import forms
from django.contrib import admin, messages
from django.core.exceptions import PermissionDenied
from django.db.models import Model
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.template.response import TemplateResponse
from django.urls import URLPattern, path, reverse

from consent.admin.base import KeptAdmin, NotedAdmin
from consent.gate.barrier import BarrierNotReached
from consent.models import Decision, PolicyVersion, SubjectView
from consent.policies import publishing
from consent.policies.publishing import PolicyRefused
from consent.registry import registry
from consent.registry.differences import Change
from consent.registry.registry import RegistryError


class ReadAdmin(KeptAdmin):
    """Read, never written here."""

    actions = None

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        return False


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
    search_help_text = "By pseudonym, whole"

    @admin.display(description="subject")
    def short_subject(self, row: Decision) -> str:
        return f"{row.subject[:12]}…"


@admin.register(SubjectView)
class SubjectViewAdmin(ReadAdmin):
    """Who looked at whom."""

    list_display = ("viewed_at", "viewed_by", "subject_kind", "short_subject", "page")
    list_filter = ("viewed_by", "page", "subject_kind")
    search_fields = ("=subject", "viewed_by")
    search_help_text = "By pseudonym, whole, or by sign-in name"

    @admin.display(description="subject")
    def short_subject(self, row: SubjectView) -> str:
        return f"{row.subject[:12]}…"


class PolicyForm(forms.Form):
    text = forms.CharField(widget=forms.Textarea({"rows": 16, "cols": 90, "class": "vLargeTextField"}))
    version = forms.CharField(
        required=False, max_length=40, help_text="Empty: one more than the last, where that is a number."
    )
    editorial = forms.BooleanField(
        required=False,
        help_text="Wording only: grants stay. Refused when more is collected. Otherwise every grant is stale "
        "from then on, until it is given again.",
    )


@admin.register(PolicyVersion)
class PolicyVersionAdmin(ReadAdmin):
    """Published policies, and publishing another one."""

    change_list_template = "admin/consent/policies.html"
    list_display = (
        "version",
        "published_at",
        "published_by",
        "is_material",
        "short_digest",
        "retention_months",
    )
    readonly_fields = ("changes_shown",)
    fields = (
        "version",
        "published_at",
        "published_by",
        "is_material",
        "retention_months",
        "changes_shown",
        "text",
        "registry_digest",
    )

    @admin.display(description="registry")
    def short_digest(self, row: PolicyVersion) -> str:
        return f"{row.registry_digest[:12]}…"

    @admin.display(description="changes")
    def changes_shown(self, row: PolicyVersion) -> str:
        return "; ".join(row.changes) or "none"

    def get_urls(self) -> list[URLPattern]:
        return [
            path("publish/", self.admin_site.admin_view(self.publish), name="consent_policyversion_publish"),
            *super().get_urls(),
        ]

    def changelist_view(
        self, request: HttpRequest, extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        may = request.user.has_perm("consent.add_policyversion")
        return super().changelist_view(request, {"may_publish": may} | (extra_context or {}))

    def publish(self, request: HttpRequest) -> HttpResponse:
        """GET: what a new version would change, and the form. POST: publish it."""
        if not request.user.has_perm("consent.add_policyversion"):
            raise PermissionDenied
        last = publishing.last_published()
        form = PolicyForm(request.POST or None, initial={"text": last.text if last else ""})
        if request.method == "POST" and form.is_valid() and self._published(request, form):
            return redirect(reverse("admin:consent_policyversion_changelist"))
        mistakes: list[str] = []
        changes: list[Change] = []
        try:
            changes = publishing.compare(last, registry.load(registry.files()))
        except RegistryError as error:
            mistakes = error.mistakes
        context = self.admin_site.each_context(request) | {
            "opts": self.opts,
            "title": "Publish a policy",
            "form": form,
            "changes": changes,
            "granted": publishing.granted(),
            "mistakes": mistakes,
            "last": last,
        }
        return TemplateResponse(request, "admin/consent/publish.html", context)

    def _published(self, request: HttpRequest, form: PolicyForm) -> bool:
        """Whether it was published; what stood against it is an error of the form."""
        cleaned = form.cleaned_data
        try:
            done = publishing.publish(
                text=cleaned["text"].replace("\r\n", "\n"),
                version=cleaned["version"].strip(),
                editorial=cleaned["editorial"],
                actor=request.user.get_username(),
            )
        except PolicyRefused as refused:
            form.add_error(None, "\n".join([f"{refused}.", *(change.text for change in refused.changes)]))
            return False
        except RegistryError:
            form.add_error(None, "The registry's files are broken: nothing was published.")
            return False
        except BarrierNotReached:
            said = (
                "Published, but events on their way could not be ruled out. To make sure: manage.py "
                "reload_registry"
            )
            self.message_user(request, said, messages.WARNING)
            return True
        said = f"Published version {done.policy.version}."
        if done.policy.is_material:
            said += (
                f" {done.stale_users} users and {done.stale_organizations} organizations must be asked again."
            )
        self.message_user(request, said, messages.SUCCESS)
        return True
