"""The decision log: what is recorded is chained, and from here on the database refuses to change it."""

from django.db import migrations, models

from consent.decisions import seals

OURS = [field for field in seals.SEALED if field not in ("number", "level")]

APPEND_ONLY = """
CREATE FUNCTION consent_append_only() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION '% is append-only: % is refused', TG_TABLE_NAME, TG_OP USING ERRCODE = 'restrict_violation';
END
$$;
CREATE TRIGGER no_change BEFORE UPDATE OR DELETE ON consent_decision
    FOR EACH ROW EXECUTE FUNCTION consent_append_only();
CREATE TRIGGER no_truncate BEFORE TRUNCATE ON consent_decision
    FOR EACH STATEMENT EXECUTE FUNCTION consent_append_only();
CREATE TRIGGER no_delete BEFORE DELETE ON consent_decisionhead
    FOR EACH ROW EXECUTE FUNCTION consent_append_only();
CREATE TRIGGER no_truncate BEFORE TRUNCATE ON consent_decisionhead
    FOR EACH STATEMENT EXECUTE FUNCTION consent_append_only();
ALTER TABLE consent_decision ENABLE ALWAYS TRIGGER no_change, ENABLE ALWAYS TRIGGER no_truncate;
ALTER TABLE consent_decisionhead ENABLE ALWAYS TRIGGER no_delete, ENABLE ALWAYS TRIGGER no_truncate;
"""
REMOVE = """
DROP TRIGGER no_change ON consent_decision;
DROP TRIGGER no_truncate ON consent_decision;
DROP TRIGGER no_delete ON consent_decisionhead;
DROP TRIGGER no_truncate ON consent_decisionhead;
DROP FUNCTION consent_append_only();
"""


def set_demo_apart(apps, schema_editor):
    """Nobody decided anything in demo data: its subjects are marked, and are not in the log."""
    decision = apps.get_model("consent", "Decision")
    for kind, model in (("organization", "Organization"), ("user", "TelemetryUser")):
        invented = decision.objects.filter(method="demo", subject_kind=kind).values("subject")
        apps.get_model("consent", model).objects.filter(pseudonym__in=invented).update(is_demo=True)
    decision.objects.filter(method="demo").delete()


def chain_what_is_there(apps, schema_editor):
    decision, head = apps.get_model("consent", "Decision"), apps.get_model("consent", "DecisionHead")
    count, digest = 0, seals.START
    for row in decision.objects.order_by("id").iterator(chunk_size=2000):
        count += 1
        row.number, row.previous = count, digest
        row.level = "detailed" if row.state == "granted" else "base"
        digest = row.digest = seals.seal(row.previous, [getattr(row, name) for name in seals.SEALED])
        row.save(update_fields=["number", "level", "previous", "digest"])
    head.objects.create(id=1, count=count, digest=digest, signature=seals.signature(count, digest))


STATES = [("unset", "Not decided"), ("granted", "Opted in"), ("denied", "Opted out"), ("stale", "To be asked again")]
LEVELS = [("nothing", "Nothing"), ("base", "Base"), ("detailed", "Detailed")]
METHODS = [("admin", "Admin"), ("api", "API"), ("command", "Command"), ("link", "Link"), ("signal", "Signal")]
INVENTED = models.BooleanField(default=False, editable=False, help_text="Demo data: nobody decided anything.")


class Migration(migrations.Migration):

    dependencies = [("consent", "0002_publishable_keys")]

    operations = [
        migrations.AddField("organization", "is_demo", INVENTED),
        migrations.AddField("telemetryuser", "is_demo", INVENTED),
        migrations.RunPython(set_demo_apart, migrations.RunPython.noop),
        migrations.CreateModel(
            name="DecisionHead",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("count", models.BigIntegerField()),
                ("digest", models.CharField(max_length=64)),
                ("signature", models.CharField(max_length=64)),
            ],
            options={"constraints": [models.CheckConstraint(condition=models.Q(("pk", 1)), name="one_decision_head")]},
        ),
        migrations.AddField("decision", "number", models.BigIntegerField(null=True)),
        migrations.AddField("decision", "level", models.CharField(max_length=10, default="")),
        migrations.AddField("decision", "previous", models.CharField(max_length=64, default="")),
        migrations.AddField("decision", "digest", models.CharField(max_length=64, default="")),
        migrations.RunPython(chain_what_is_there, migrations.RunPython.noop),
        migrations.AlterField(
            "decision",
            "number",
            models.BigIntegerField(unique=True, help_text="Its place in the log, from 1, without a gap."),
        ),
        migrations.AlterField("decision", "level", models.CharField(choices=LEVELS, max_length=10)),
        migrations.AlterField("decision", "previous", models.CharField(max_length=64)),
        migrations.AlterField("decision", "digest", models.CharField(max_length=64)),
        migrations.AlterField("decision", "recorded_at", models.DateTimeField()),
        migrations.AlterField("decision", "method", models.CharField(choices=METHODS, max_length=10)),
        migrations.AlterField("decision", "state", models.CharField(choices=STATES, max_length=10)),
        migrations.AlterField("consentperiod", "state", models.CharField(choices=STATES, max_length=10)),
        migrations.AlterField(
            "organization",
            "state",
            models.CharField(choices=STATES, default="unset", editable=False, max_length=10),
        ),
        migrations.AlterField(
            "telemetryuser",
            "state",
            models.CharField(choices=STATES, default="unset", editable=False, max_length=10),
        ),
        migrations.AlterModelOptions("decision", {"ordering": ["-number"]}),
        migrations.RunSQL(APPEND_ONLY, REMOVE),
    ]
