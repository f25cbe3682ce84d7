"""What all these pages share: nothing is deleted, and what matters needs a reason."""

from typing import Any

from django.contrib import admin
from django.contrib.admin.helpers import ACTION_CHECKBOX_NAME
from django.db.models import Model, QuerySet
from django.http import HttpRequest
from django.template.response import TemplateResponse
from django.utils.decorators import method_decorator
from django.views.decorators.debug import sensitive_post_parameters

from consent.admin.forms import ReasonForm

# No error report of Django's shows them.
hide_raw_ids = method_decorator(sensitive_post_parameters("raw_id", "organization_raw_id"))


class KeptAdmin(admin.ModelAdmin):  # type: ignore[type-arg]  # generic in the stubs only
    """Rows that the admin never deletes."""

    def has_delete_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        return False

    def ask_reason(
        self, request: HttpRequest, rows: QuerySet[Any], action: str, explanation: str
    ) -> tuple[str, TemplateResponse | None]:
        """The reason, once it was given on the page between; before that, the page."""
        form = ReasonForm(request.POST if "confirmed" in request.POST else None)
        if form.is_valid():
            return form.cleaned_data["reason"], None
        context = self.admin_site.each_context(request) | {
            "opts": self.opts,
            "title": getattr(self, action).short_description.rstrip("…"),
            "explanation": explanation,
            "objects": rows,
            "action": action,
            "action_checkbox_name": ACTION_CHECKBOX_NAME,
            "form": form,
        }
        return "", TemplateResponse(request, "admin/consent/reason.html", context)
