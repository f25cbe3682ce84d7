"""Erasures: requested by typing the raw id and a reason. Everything else is read-only."""

import json
from typing import Any

from django.contrib import admin
from django.db.models import Model
from django.http import HttpRequest, HttpResponse
from django.utils.html import format_html
from django.utils.safestring import SafeString

from consent.admin.base import NotedAdmin, hide_raw_ids
from consent.admin.forms import ErasureForm
from consent.decisions.tombstones import ask_for_erasure
from consent.models import ErasureRequest, Method, SubjectKind


@admin.register(ErasureRequest)
class ErasureRequestAdmin(NotedAdmin):
    """Requesting needs the permission “Can ask for erasures”; the list needs the usual one to view."""

    list_page, row_page = "erasures", "erasure"
    form = ErasureForm
    list_display = (
        "asked_at", "kind", "short_pseudonym", "occasion", "actor", "state", "rows_deleted", "problem"
    )  # fmt: skip
    list_filter = ("state", "kind", "is_withdrawal", "method")
    search_fields = ("pseudonym", "public_id")
    search_help_text = "By pseudonym, or by the request's id"
    readonly_fields = (
        "public_id", "kind", "pseudonym", "state", "occasion", "until", "asked_at", "actor", "method",
        "reason", "problem", "finished_at", "receipt_shown",
    )  # fmt: skip
    actions = None

    def has_add_permission(self, request: HttpRequest) -> bool:
        return bool(request.user.has_perm("consent.request_erasure"))

    def has_change_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        return False

    def get_fieldsets(self, request: HttpRequest, obj: Any = None) -> Any:
        fields = ["kind", "raw_id", "reason"] if obj is None else list(self.readonly_fields)
        return [(None, {"fields": fields})]

    def get_readonly_fields(self, request: HttpRequest, obj: Any = None) -> Any:
        return () if obj is None else self.readonly_fields

    @hide_raw_ids
    def add_view(
        self, request: HttpRequest, form_url: str = "", extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        return super().add_view(request, form_url, {"title": "Erase a subject"} | (extra_context or {}))

    def subject_of(self, row: ErasureRequest) -> tuple[str, str]:
        return row.kind, row.pseudonym

    def save_model(self, request: HttpRequest, obj: ErasureRequest, form: Any, change: bool) -> None:
        erasure = ask_for_erasure(
            kind=SubjectKind(form.cleaned_data["kind"]),
            pseudonym=form.cleaned_data["pseudonym"],
            actor=request.user.get_username(),
            method=Method.ADMIN,
            reason=form.cleaned_data["reason"],
        )
        obj.__dict__.update(erasure.__dict__)

    @admin.display(description="pseudonym", ordering="pseudonym")
    def short_pseudonym(self, row: ErasureRequest) -> str:
        return f"{row.pseudonym[:12]}…"

    @admin.display(description="occasion", ordering="is_withdrawal")
    def occasion(self, row: ErasureRequest) -> str:
        return "Withdrawal" if row.is_withdrawal else "Request"

    @admin.display(description="rows deleted")
    def rows_deleted(self, row: ErasureRequest) -> str:
        return f"{sum(row.receipt['deleted'].values()):,}" if row.receipt else "–"

    @admin.display(description="receipt")
    def receipt_shown(self, row: ErasureRequest) -> str | SafeString:
        if row.receipt is None:
            return "not yet"
        return format_html("<pre>{}</pre>", json.dumps(row.receipt, indent=1, ensure_ascii=False))
