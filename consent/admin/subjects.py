"""What the pages of organizations and users share.

A subject can be found by its raw id (sent by POST and hashed at once), its decisions and periods are shown,
and a decision can be recorded.
"""

from typing import Any, ClassVar

from django import forms
from django.conf import settings
from django.contrib import admin, messages
from django.core.exceptions import PermissionDenied
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.template.loader import render_to_string
from django.template.response import TemplateResponse
from django.urls import URLPattern, path, reverse
from django.utils.safestring import SafeString, mark_safe

from consent.admin.base import NotedAdmin, hide_raw_ids
from consent.decisions.recording import BarrierNotReached, DecisionRefused, record_decision
from consent.decisions.tombstones import ERASE
from consent.gate.rules import AGREED
from consent.models import ConsentPeriod, Decision, Level, Method, State, SubjectKind
from consent.pseudonyms import pseudonym

DECISIONS = ("grant", "deny", "unset", "grant_account", "end_account")


class SubjectAdmin(NotedAdmin):
    """The list and the page of one kind of subject."""

    list_page, row_page = "list", "account"
    kind: SubjectKind
    add_form: type[forms.ModelForm]  # type: ignore[type-arg]  # generic in the stubs only
    searched: str
    change_list_template = "admin/consent/find_change_list.html"
    list_filter: ClassVar[Any] = ("state",)
    ordering = ("-created_at",)

    def get_urls(self) -> list[URLPattern]:
        name = f"{self.opts.app_label}_{self.opts.model_name}_find"
        return [path("find/", self.admin_site.admin_view(self.find), name=name), *super().get_urls()]

    @hide_raw_ids
    def find(self, request: HttpRequest) -> HttpResponse:
        """POST: redirect from a raw id to its subject's page; if there is none, to a search by pseudonym."""
        if not self.has_view_permission(request):
            raise PermissionDenied
        raw_id = request.POST.get("raw_id", "").strip()
        if request.method != "POST" or not raw_id:
            return redirect(self.address("changelist"))
        searched = pseudonym(self.kind, raw_id)
        row = self.model.objects.filter(pseudonym=searched).first()
        if row:
            return redirect(self.address("change", row.pk))
        message = f"No {self.opts.verbose_name} with this id is recorded here."
        self.message_user(request, message, messages.WARNING)
        return redirect(f"{self.address('changelist')}?q={searched}")

    def address(self, page: str, *arguments: Any) -> str:
        name = f"admin:{self.opts.app_label}_{self.opts.model_name}_{page}"
        return reverse(name, args=arguments, current_app=self.admin_site.name)

    @hide_raw_ids
    def add_view(
        self, request: HttpRequest, form_url: str = "", extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        return super().add_view(request, form_url, extra_context)

    def subject_of(self, row: Any) -> tuple[str, str]:
        return self.kind, row.pseudonym

    def changelist_view(
        self, request: HttpRequest, extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        return super().changelist_view(request, {"searched": self.searched} | (extra_context or {}))

    def change_view(
        self,
        request: HttpRequest,
        object_id: str,
        form_url: str = "",
        extra_context: dict[str, Any] | None = None,
    ) -> HttpResponse:
        """One subject, with a button for each decision that this admin may record."""
        actions = self.get_actions(request)
        offered = [(name, actions[name][2]) for name in DECISIONS if actions.get(name)]  # type: ignore[index]
        extra_context = {"decisions_offered": offered} | (extra_context or {})
        return super().change_view(request, object_id, form_url, extra_context)

    def get_form(self, request: HttpRequest, obj: Any = None, change: bool = False, **kwargs: Any) -> Any:
        if obj is None:
            kwargs["form"] = self.add_form
        return super().get_form(request, obj, change, **kwargs)

    def save_model(self, request: HttpRequest, obj: Any, form: Any, change: bool) -> None:
        if not change:
            obj.pseudonym = form.cleaned_data["raw_id"]  # the form has made it a pseudonym
        super().save_model(request, obj, form, change)

    @admin.display(description="pseudonym", ordering="pseudonym")
    def short_pseudonym(self, row: Any) -> str:
        return f"{row.pseudonym[:12]}…"

    @admin.display(description="decisions")
    def account(self, row: Any) -> SafeString:
        decisions = Decision.objects.filter(subject_kind=self.kind, subject=row.pseudonym)
        return mark_safe(render_to_string("admin/consent/account.html", {"decisions": decisions}))  # noqa: S308

    @admin.display(description="periods")
    def periods(self, row: Any) -> SafeString:
        periods = ConsentPeriod.objects.filter(subject_kind=self.kind, subject=row.pseudonym)
        context = {"periods": periods.order_by("-since")}
        return mark_safe(render_to_string("admin/consent/periods.html", context))  # noqa: S308

    def decide(
        self,
        request: HttpRequest,
        rows: QuerySet[Any],
        action: str,
        state: State,
        explanation: str,
        level: Level | None = None,
    ) -> TemplateResponse | None:
        """Record the same decision for each row, once a reason is given."""
        takes_back = state == State.UNSET and rows.filter(state__in=AGREED).exists()
        if (state == State.DENIED or takes_back) and settings.ON_WITHDRAWAL == ERASE:
            whose = " of those that had opted in" if takes_back else ""
            explanation = f"What was stored{whose} before is erased within a day, for good. {explanation}"
        reason, page = self.ask_reason(request, rows, action, explanation)
        if page:
            return page
        recorded = sum([self.decide_one(request, row, state, reason, level) for row in rows])
        if recorded:
            self.message_user(request, f"Recorded for {recorded}: {state.label.lower()}.", messages.SUCCESS)
        return None

    def decide_one(
        self, request: HttpRequest, row: Any, state: State, reason: str, level: Level | None = None
    ) -> bool:
        try:
            record_decision(
                kind=self.kind,
                subject=row.pseudonym,
                state=state,
                level=level,
                actor=request.user.get_username(),
                method=Method.ADMIN,
                reason=reason,
            )
        except DecisionRefused as refusal:
            self.message_user(request, f"{row}: {refusal}.", messages.ERROR)
            return False
        except BarrierNotReached:
            self.log_change(request, row, f"{state.label}: {reason}")
            problem = (
                f"{row}: recorded as {state.label.lower()}, but events in flight could not be ruled out."
            )
            self.message_user(request, f"{problem} Record the decision again to make sure.", messages.ERROR)
            return False
        self.log_change(request, row, f"{state.label}: {reason}")
        return True
