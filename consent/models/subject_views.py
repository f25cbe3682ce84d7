"""Who looked at whom in the admin."""

from django.db import models

from consent.models.choices import SubjectKind


class SubjectView(models.Model):
    """One look at one subject in the admin: who looked at whom, on which page, and when."""

    viewed_at = models.DateTimeField(auto_now_add=True)
    viewed_by = models.CharField(max_length=150, help_text="Sign-in name.")
    subject_kind = models.CharField(max_length=12, choices=SubjectKind, blank=True)
    subject = models.CharField(max_length=32, help_text="Pseudonym.")
    page = models.CharField(max_length=40)

    class Meta:
        ordering = ["-id"]
        verbose_name = "view of a subject"
        verbose_name_plural = "views of subjects"
        indexes = [models.Index(fields=["subject"], name="view_by_subject")]

    def __str__(self) -> str:
        return f"{self.viewed_by} looked at {self.subject_kind} {self.subject[:6]}"
