"""Published policies, what is in force now, and who looked at whom."""

from django.db import migrations, models

KINDS = [("organization", "Organization"), ("user", "User")]
ID = ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID"))
APPEND_ONLY = """
CREATE TRIGGER no_change BEFORE UPDATE OR DELETE ON consent_policyversion
    FOR EACH ROW EXECUTE FUNCTION consent_append_only();
CREATE TRIGGER no_truncate BEFORE TRUNCATE ON consent_policyversion
    FOR EACH STATEMENT EXECUTE FUNCTION consent_append_only();
CREATE TRIGGER no_change BEFORE UPDATE OR DELETE ON consent_subjectview
    FOR EACH ROW EXECUTE FUNCTION consent_append_only();
CREATE TRIGGER no_truncate BEFORE TRUNCATE ON consent_subjectview
    FOR EACH STATEMENT EXECUTE FUNCTION consent_append_only();
ALTER TABLE consent_policyversion ENABLE ALWAYS TRIGGER no_change, ENABLE ALWAYS TRIGGER no_truncate;
ALTER TABLE consent_subjectview ENABLE ALWAYS TRIGGER no_change, ENABLE ALWAYS TRIGGER no_truncate;
"""
REMOVE = """
DROP TRIGGER no_change ON consent_policyversion;
DROP TRIGGER no_truncate ON consent_policyversion;
DROP TRIGGER no_change ON consent_subjectview;
DROP TRIGGER no_truncate ON consent_subjectview;
"""


class Migration(migrations.Migration):

    dependencies = [("consent", "0003_decision_log")]

    operations = [
        migrations.CreateModel(
            name="PolicyVersion",
            fields=[
                ID,
                ("version", models.CharField(max_length=40, unique=True)),
                ("text", models.TextField()),
                ("registry_digest", models.CharField(max_length=64)),
                ("registry", models.JSONField(help_text="Everything that is collected: `Registry.content()`.")),
                ("retention_months", models.PositiveIntegerField()),
                ("is_material", models.BooleanField(help_text="Grants from before became stale.", verbose_name="material")),
                ("changes", models.JSONField(default=list, help_text="What changed since the previous version, in sentences.")),
                ("published_at", models.DateTimeField()),
                ("published_by", models.CharField(help_text="Sign-in name or command.", max_length=150)),
            ],
            options={"ordering": ["-id"]},
        ),
        migrations.CreateModel(
            name="InForce",
            fields=[
                ID,
                ("registry_digest", models.CharField(max_length=64)),
                ("registry", models.TextField(help_text="The active registry, in the form its digest is made from.")),
                ("policy_version", models.CharField(max_length=40)),
                ("material_since", models.DateTimeField(help_text="When the last material version was published; grants and notices from before are stale.", null=True)),
            ],
            options={"constraints": [models.CheckConstraint(condition=models.Q(("pk", 1)), name="one_in_force")]},
        ),
        migrations.CreateModel(
            name="SubjectView",
            fields=[
                ID,
                ("viewed_at", models.DateTimeField(auto_now_add=True)),
                ("viewed_by", models.CharField(help_text="Sign-in name.", max_length=150)),
                ("subject_kind", models.CharField(blank=True, choices=KINDS, max_length=12)),
                ("subject", models.CharField(help_text="Pseudonym.", max_length=32)),
                ("page", models.CharField(max_length=40)),
            ],
            options={
                "verbose_name": "view of a subject",
                "verbose_name_plural": "views of subjects",
                "ordering": ["-id"],
                "indexes": [models.Index(fields=["subject"], name="view_by_subject")],
            },
        ),
        migrations.RunSQL(APPEND_ONLY, REMOVE),
    ]
