"""The three event tables, partitioned by month, and the small tables beside them.

The event tables are written in SQL because Django cannot say PARTITION BY; its state knows them as
ordinary models. Why they have this form: docs/architecture.md, "Storage".
"""

import uuid

import django.db.models.deletion
from django.conf import settings
from django.db import migrations, models
from django.utils import timezone

from analytics import partitions

COMMON_COLUMNS = """
    id uuid NOT NULL,
    {own},
    user_id varchar(32) COLLATE "C" NOT NULL,
    organization_id varchar(32) COLLATE "C" NOT NULL,
    "timestamp" timestamptz NOT NULL,
    deployment_type varchar(50) COLLATE "C" NOT NULL,
    event_metadata jsonb NOT NULL DEFAULT '{{}}',
    is_internal boolean NOT NULL DEFAULT false,
    received_at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY ("timestamp", user_id, id)
"""
OWN_COLUMNS = {
    "analytics_user_activity": """
    event_type varchar(50) COLLATE "C" NOT NULL,
    session_id varchar(255) COLLATE "C" NOT NULL DEFAULT ''""",
    "analytics_endpoint_usage": """
    endpoint varchar(255) COLLATE "C" NOT NULL,
    method varchar(10) COLLATE "C" NOT NULL,
    status_code integer,
    duration_ms double precision""",
    "analytics_feature_usage": """
    feature_name varchar(100) COLLATE "C" NOT NULL,
    action varchar(100) COLLATE "C" NOT NULL""",
}


def create_table(table):
    columns = COMMON_COLUMNS.format(own=OWN_COLUMNS[table].strip())
    return migrations.RunSQL(
        f'CREATE TABLE {table} ({columns}) PARTITION BY RANGE ("timestamp")', f"DROP TABLE {table}"
    )


def make_partitions(apps, schema_editor):
    if schema_editor.connection.alias == "analytics":
        partitions.ensure_for(timezone.now(), settings.EVENT_RETENTION_MONTHS)


class Migration(migrations.Migration):
    initial = True

    dependencies = []

    operations = [
        migrations.SeparateDatabaseAndState(
            database_operations=[create_table(table) for table in OWN_COLUMNS],
            state_operations=[
                migrations.CreateModel(
                    name='EndpointUsage',
                    fields=[
                        ('pk', models.CompositePrimaryKey('timestamp', 'user_id', 'id', blank=True, editable=False, primary_key=True, serialize=False)),
                        ('id', models.UUIDField()),
                        ('user_id', models.CharField(db_collation='C', max_length=32)),
                        ('organization_id', models.CharField(db_collation='C', max_length=32)),
                        ('timestamp', models.DateTimeField()),
                        ('deployment_type', models.CharField(db_collation='C', max_length=50)),
                        ('event_metadata', models.JSONField(default=dict)),
                        ('is_internal', models.BooleanField(default=False)),
                        ('received_at', models.DateTimeField()),
                        ('endpoint', models.CharField(db_collation='C', max_length=255)),
                        ('method', models.CharField(db_collation='C', max_length=10)),
                        ('status_code', models.IntegerField(null=True)),
                        ('duration_ms', models.FloatField(null=True)),
                    ],
                    options={
                        'db_table': 'analytics_endpoint_usage',
                    },
                ),
                migrations.CreateModel(
                    name='FeatureUsage',
                    fields=[
                        ('pk', models.CompositePrimaryKey('timestamp', 'user_id', 'id', blank=True, editable=False, primary_key=True, serialize=False)),
                        ('id', models.UUIDField()),
                        ('user_id', models.CharField(db_collation='C', max_length=32)),
                        ('organization_id', models.CharField(db_collation='C', max_length=32)),
                        ('timestamp', models.DateTimeField()),
                        ('deployment_type', models.CharField(db_collation='C', max_length=50)),
                        ('event_metadata', models.JSONField(default=dict)),
                        ('is_internal', models.BooleanField(default=False)),
                        ('received_at', models.DateTimeField()),
                        ('feature_name', models.CharField(db_collation='C', max_length=100)),
                        ('action', models.CharField(db_collation='C', max_length=100)),
                    ],
                    options={
                        'db_table': 'analytics_feature_usage',
                    },
                ),
                migrations.CreateModel(
                    name='UserActivity',
                    fields=[
                        ('pk', models.CompositePrimaryKey('timestamp', 'user_id', 'id', blank=True, editable=False, primary_key=True, serialize=False)),
                        ('id', models.UUIDField()),
                        ('user_id', models.CharField(db_collation='C', max_length=32)),
                        ('organization_id', models.CharField(db_collation='C', max_length=32)),
                        ('timestamp', models.DateTimeField()),
                        ('deployment_type', models.CharField(db_collation='C', max_length=50)),
                        ('event_metadata', models.JSONField(default=dict)),
                        ('is_internal', models.BooleanField(default=False)),
                        ('received_at', models.DateTimeField()),
                        ('event_type', models.CharField(db_collation='C', max_length=50)),
                        ('session_id', models.CharField(db_collation='C', help_text="Pseudonym, or '' when not reported.", max_length=255)),
                    ],
                    options={
                        'db_table': 'analytics_user_activity',
                    },
                ),
            ],
        ),
        migrations.CreateModel(
            name='Installation',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('pseudonym', models.CharField(max_length=32, unique=True)),
                ('app_version', models.CharField(blank=True, max_length=50)),
                ('platform', models.CharField(blank=True, max_length=50)),
                ('os_version', models.CharField(blank=True, max_length=50)),
                ('architecture', models.CharField(blank=True, max_length=20)),
                ('locale', models.CharField(blank=True, max_length=20)),
                ('timezone', models.CharField(blank=True, max_length=50)),
                ('release_channel', models.CharField(blank=True, max_length=20)),
                ('deployment_type', models.CharField(default='unknown', max_length=50)),
                ('first_seen_at', models.DateTimeField()),
                ('last_seen_at', models.DateTimeField()),
            ],
            options={
                'ordering': ['-last_seen_at'],
            },
        ),
        migrations.CreateModel(
            name='JobRun',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('job', models.CharField(max_length=50)),
                ('started_at', models.DateTimeField()),
                ('ended_at', models.DateTimeField(null=True)),
                ('outcome', models.CharField(choices=[('running', 'Running'), ('done', 'Done'), ('failed', 'Failed'), ('skipped', 'Skipped')], max_length=10)),
                ('summary', models.CharField(blank=True, help_text='What it did, in a sentence.', max_length=500)),
            ],
            options={
                'ordering': ['-started_at'],
                'indexes': [models.Index(fields=['job', '-started_at'], name='job_run_latest')],
            },
        ),
        migrations.CreateModel(
            name='SentHeartbeat',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('name', models.CharField(max_length=50)),
                ('day', models.DateField(help_text='UTC day it is about; with the name, sent once.')),
                ('sent_at', models.DateTimeField(null=True)),
                ('status_code', models.IntegerField(null=True)),
                ('answer', models.CharField(blank=True, max_length=200)),
                ('attempts', models.IntegerField(default=0)),
            ],
            options={
                'ordering': ['-day'],
                'constraints': [models.UniqueConstraint(fields=('name', 'day'), name='sent_once_a_day')],
            },
        ),
        migrations.CreateModel(
            name='InstallationEvent',
            fields=[
                ('id', models.UUIDField(default=uuid.uuid4, primary_key=True, serialize=False)),
                ('name', models.CharField(help_text='first_seen or heartbeat', max_length=20)),
                ('timestamp', models.DateTimeField()),
                ('received_at', models.DateTimeField()),
                ('installation', models.ForeignKey(on_delete=django.db.models.deletion.CASCADE, related_name='events', to='analytics.installation')),
            ],
            options={
                'indexes': [models.Index(fields=['timestamp'], name='installation_event_time')],
            },
        ),
        migrations.RunPython(make_partitions, migrations.RunPython.noop),
    ]
