"""Keys: created, shown once, revoked. Only a digest of a key is stored."""

from typing import Any

from django.contrib import admin, messages
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse
from django.template.response import TemplateResponse
from django.utils import timezone

from consent.admin.base import KeptAdmin, hide_raw_ids
from consent.admin.forms import KeyForm, NewKeyForm
from consent.keys import issue_key, revoke_key
from consent.models import Key


@admin.register(Key)
class KeyAdmin(KeptAdmin):
    """A key is shown once, on the page after its creation; from then on only its digest is left."""

    form = KeyForm
    list_display = (
        "name",
        "hint",
        "scopes_shown",
        "is_publishable",
        "organization_shown",
        "last_used_at",
        "expires_at",
        "is_active",
    )
    list_filter = (("revoked_at", admin.EmptyFieldListFilter), "is_publishable")
    search_fields = ("name", "hint")
    readonly_fields = (
        "hint",
        "scopes_shown",
        "is_publishable",
        "origins_shown",
        "organization",
        "created_at",
        "last_used_at",
        "expires_at",
        "revoked_at",
    )
    actions = ("revoke",)

    def get_fieldsets(self, request: HttpRequest, obj: Any = None) -> Any:
        if obj is None:
            organization = ["organization_raw_id", "organization_pseudonym"]
            chosen = ["name", "scopes", "websites", "requests_per_second", "expires"]
            return [(None, {"fields": [*chosen, *organization]})]
        return [(None, {"fields": ["name", "requests_per_second", *self.readonly_fields]})]

    def get_form(self, request: HttpRequest, obj: Any = None, change: bool = False, **kwargs: Any) -> Any:
        if obj is None:
            kwargs["form"] = NewKeyForm
        return super().get_form(request, obj, change, **kwargs)

    @hide_raw_ids
    def add_view(
        self, request: HttpRequest, form_url: str = "", extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        return super().add_view(request, form_url, extra_context)

    def save_model(self, request: HttpRequest, obj: Key, form: Any, change: bool) -> None:
        if change:
            super().save_model(request, obj, form, change)
            return
        lasts = form.cleaned_data["expires"]
        text, key = issue_key(
            name=obj.name,
            scopes=form.cleaned_data["scopes"],
            organization_pseudonym=form.cleaned_data["organization"],
            origins=form.cleaned_data["websites"],
            requests_per_second=form.cleaned_data["requests_per_second"],
            expires_at=timezone.now() + lasts if lasts else None,
        )
        obj.__dict__.update(key.__dict__)
        obj.text = text  # type: ignore[attr-defined]  # for response_add, as long as this request lasts

    def response_add(
        self, request: HttpRequest, obj: Key, post_url_continue: str | None = None
    ) -> HttpResponse:
        context = self.admin_site.each_context(request) | {
            "opts": self.opts,
            "title": "The new key",
            "key": obj,
            "text": obj.text,  # type: ignore[attr-defined]
        }
        return TemplateResponse(request, "admin/consent/new_key.html", context)  # the admin never caches

    @admin.display(description="scopes")
    def scopes_shown(self, key: Key) -> str:
        return ", ".join(key.scopes)

    @admin.display(description="origins")
    def origins_shown(self, key: Key) -> str:
        return ", ".join(key.origins) or "none"

    @admin.display(description="organization")
    def organization_shown(self, key: Key) -> str:
        return f"{key.organization[:12]}…" if key.organization else "any"

    @admin.display(description="active", boolean=True)
    def is_active(self, key: Key) -> bool:
        return key.is_usable

    @admin.action(description="Revoke…", permissions=["change"])
    def revoke(self, request: HttpRequest, rows: QuerySet[Key]) -> TemplateResponse | None:
        explanation = "These keys will be refused from the next request on, for good:"
        reason, page = self.ask_reason(request, rows, "revoke", explanation)
        if page:
            return page
        for key in rows:
            revoke_key(key=key)
            self.log_change(request, key, f"Revoked: {reason}")
        self.message_user(request, f"Revoked {len(rows)}.", messages.SUCCESS)
        return None
