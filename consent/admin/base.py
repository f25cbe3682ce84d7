"""What these pages share: nothing is deleted, actions need a reason, and views of a subject are recorded."""

from typing import Any

from django.contrib import admin
from django.contrib.admin.helpers import ACTION_CHECKBOX_NAME
from django.db.models import Model, QuerySet
from django.http import HttpRequest, HttpResponse
from django.template.response import TemplateResponse
from django.utils.decorators import method_decorator
from django.views.decorators.debug import sensitive_post_parameters

from consent.admin.forms import ReasonForm
from consent.admin.view_log import note_view
from consent.models import SubjectKind
from consent.pseudonyms import is_pseudonym

# Keeps raw ids out of Django's error reports.
hide_raw_ids = method_decorator(sensitive_post_parameters("raw_id", "organization_raw_id"))

FEW = 4  # a list of at most so many subjects counts as a view of each of them


class KeptAdmin(admin.ModelAdmin):  # type: ignore[type-arg]  # generic in the stubs only
    """Rows that the admin never deletes."""

    def has_delete_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        return False

    def ask_reason(
        self, request: HttpRequest, rows: QuerySet[Any], action: str, explanation: str
    ) -> tuple[str, TemplateResponse | None]:
        """The reason, if the confirmation page has sent one; if not, that page."""
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


class ReadAdmin(KeptAdmin):
    """Rows that the admin never writes."""

    actions = None

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        return False


class NotedAdmin(KeptAdmin):
    """Rows about single subjects. Viewing one, or a list narrowed down to a few, is recorded."""

    list_page: str  # what the two pages are called in the record of views
    row_page: str
    kind: SubjectKind | None = None  # if all rows are of one kind

    def subject_of(self, row: Any) -> tuple[str, str]:
        """Kind and pseudonym of the row's subject."""
        return row.subject_kind, row.subject

    def changelist_view(
        self, request: HttpRequest, extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        response = super().changelist_view(request, extra_context)
        for kind, subject in self._looked_for(request, response):
            note_view(request, kind=kind, subject=subject, page=self.list_page)
        return response

    def change_view(
        self,
        request: HttpRequest,
        object_id: str,
        form_url: str = "",
        extra_context: dict[str, Any] | None = None,
    ) -> HttpResponse:
        response = super().change_view(request, object_id, form_url, extra_context)
        return self._noted(request, object_id, response, self.row_page)

    def history_view(
        self, request: HttpRequest, object_id: str, extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        response = super().history_view(request, object_id, extra_context)
        return self._noted(request, object_id, response, "history")

    def _noted(self, request: HttpRequest, object_id: str, response: HttpResponse, page: str) -> HttpResponse:
        row = self.get_object(request, object_id) if response.status_code == 200 else None
        if row is not None:
            kind, subject = self.subject_of(row)
            note_view(request, kind=kind, subject=subject, page=page)
        return response

    def _looked_for(self, request: HttpRequest, response: HttpResponse) -> set[tuple[str, str]]:
        """The subjects (few, or none) that a list was narrowed down to, by pseudonym or otherwise."""
        if not request.GET or response.status_code != 200 or not isinstance(response, TemplateResponse):
            return set()
        listed = (response.context_data or {}).get("cl")
        subjects = {self.subject_of(row) for row in listed.result_list} if listed else set()
        searched = request.GET.get("q", "").strip()
        if not subjects and is_pseudonym(searched):
            return {(self.kind or "", searched)}  # an empty list reveals that nobody is recorded under it
        return subjects if len(subjects) <= FEW else set()
