"""Policy versions: those that were published, and publishing another one."""

from typing import Any

from django import forms
from django.contrib import admin, messages
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.template.response import TemplateResponse
from django.urls import URLPattern, path, reverse

from consent.admin.base import ReadAdmin
from consent.gate.barrier import BarrierNotReached
from consent.models import PolicyVersion
from consent.policies import publishing
from consent.policies.publishing import PolicyRefused
from consent.policies.versions import changes_since, last_published
from consent.registry import registry
from consent.registry.differences import Change
from consent.registry.registry import RegistryError


class PolicyForm(forms.Form):
    text = forms.CharField(widget=forms.Textarea({"rows": 16, "cols": 90, "class": "vLargeTextField"}))
    version = forms.CharField(
        required=False,
        max_length=40,
        help_text="If left empty: the last version plus one, if the last one is a number.",
    )
    editorial = forms.BooleanField(
        required=False,
        help_text="A change of wording only: grants stay. Refused when more is collected, or kept for "
        "longer. If not ticked, every grant becomes stale until it is given again.",
    )


@admin.register(PolicyVersion)
class PolicyVersionAdmin(ReadAdmin):
    """Published policy versions. Publishing needs the permission to add one."""

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
        may_publish = request.user.has_perm("consent.add_policyversion")
        return super().changelist_view(request, {"may_publish": may_publish} | (extra_context or {}))

    def publish(self, request: HttpRequest) -> HttpResponse:
        """GET: what a new version would change, and the form. POST: publish it."""
        if not request.user.has_perm("consent.add_policyversion"):
            raise PermissionDenied
        last = last_published()
        form = PolicyForm(request.POST or None, initial={"text": last.text if last else ""})
        if request.method == "POST" and form.is_valid() and self._published(request, form):
            return redirect(reverse("admin:consent_policyversion_changelist"))
        mistakes: list[str] = []
        changes: list[Change] = []
        try:
            changes = changes_since(last, registry.load(registry.files()))
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
        """Publish, and say what happened. Returns False if refused; the form's errors then say why."""
        cleaned = form.cleaned_data
        try:
            published = publishing.publish(
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
            message = (
                "Published, but events in flight could not be ruled out. To make sure, run manage.py "
                "reload_registry."
            )
            self.message_user(request, message, messages.WARNING)
            return True
        self.message_user(request, _message(published), messages.SUCCESS)
        return True


def _message(published: publishing.Publication) -> str:
    message = f"Published version {published.policy.version}."
    if published.policy.is_material:
        message += (
            f" Grants stale until they are given again: {published.stale_users} by users, "
            f"{published.stale_organizations} by organizations."
        )
    return message
