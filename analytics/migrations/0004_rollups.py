from django.db import migrations, models


# Contents are compressed already.
STORE_AS_IT_IS = "ALTER TABLE analytics_rollup ALTER COLUMN content SET STORAGE EXTERNAL"
# No row has been built so far: mark every quarter of an hour from the oldest row to the latest.
MARK_WHAT_IS_THERE = """
INSERT INTO analytics_mark (quarter)
SELECT generate_series(min(first), max(last)) FROM (
    SELECT floor(extract(epoch FROM min("timestamp")) / 900)::int AS first,
           floor(extract(epoch FROM max("timestamp")) / 900)::int AS last FROM analytics_user_activity
     UNION ALL
    SELECT floor(extract(epoch FROM min("timestamp")) / 900)::int,
           floor(extract(epoch FROM max("timestamp")) / 900)::int FROM analytics_feature_usage
     UNION ALL
    SELECT floor(extract(epoch FROM min("timestamp")) / 900)::int,
           floor(extract(epoch FROM max("timestamp")) / 900)::int FROM analytics_endpoint_usage
) AS spans HAVING min(first) IS NOT NULL
"""


class Migration(migrations.Migration):

    dependencies = [
        ('analytics', '0003_vendor'),
    ]

    operations = [
        migrations.CreateModel(
            name='Mark',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('quarter', models.IntegerField(help_text='Quarters of an hour since 1970.')),
            ],
            options={
                'db_table': 'analytics_mark',
            },
        ),
        migrations.CreateModel(
            name='RolledDay',
            fields=[
                ('day', models.DateField(help_text='In the zone `zone`.', primary_key=True, serialize=False)),
                ('state', models.CharField(choices=[('open', 'Open'), ('sealed', 'Sealed')], default='open', max_length=6)),
                ('zone', models.CharField(blank=True, help_text='REPORT_TIME_ZONE when it was built.', max_length=64)),
                ('version', models.BigIntegerField(default=0, help_text='Another one with every build; 0: not built yet.')),
                ('events', models.BigIntegerField(default=0)),
                ('built_at', models.DateTimeField(null=True)),
                ('people', models.JSONField(help_text='Of a sealed day: the counts of people that were kept.', null=True)),
            ],
            options={
                'ordering': ['-day'],
            },
        ),
        migrations.CreateModel(
            name='RollUp',
            fields=[
                ('pk', models.CompositePrimaryKey('day', 'kind', blank=True, editable=False, primary_key=True, serialize=False)),
                ('day', models.DateField()),
                ('kind', models.CharField(db_collation='C', max_length=20)),
                ('content', models.BinaryField()),
            ],
        ),
        migrations.CreateModel(
            name='Group',
            fields=[
                ('id', models.AutoField(primary_key=True, serialize=False)),
                ('organization_id', models.CharField(db_collation='C', max_length=32, null=True)),
                ('deployment_type', models.CharField(db_collation='C', max_length=11)),
                ('is_internal', models.BooleanField()),
                ('version', models.BigIntegerField()),
            ],
            options={
                'indexes': [models.Index(fields=['version'], name='group_by_version')],
                'constraints': [models.UniqueConstraint(fields=('organization_id', 'deployment_type', 'is_internal'), name='one_group')],
            },
        ),
        migrations.CreateModel(
            name='Member',
            fields=[
                ('id', models.AutoField(primary_key=True, serialize=False)),
                ('hash', models.BigIntegerField(help_text='Of the combination, as `scan.py` makes it.', null=True, unique=True)),
                ('user_id', models.CharField(db_collation='C', max_length=32, null=True)),
                ('group_id', models.IntegerField()),
                ('person', models.IntegerField(help_text="The number of the user's first member; 0: nobody (`anon:…`).")),
                ('first_seen_at', models.DateTimeField(null=True)),
                ('first_login_at', models.DateTimeField(null=True)),
                ('next_login_at', models.DateTimeField(help_text='The earliest sign-in after the first.', null=True)),
                ('version', models.BigIntegerField()),
            ],
            options={
                'indexes': [models.Index(fields=['user_id'], name='member_by_user'), models.Index(fields=['version'], name='member_by_version')],
            },
        ),
        migrations.RunSQL("CREATE SEQUENCE analytics_rollup_version", "DROP SEQUENCE analytics_rollup_version"),
        migrations.RunSQL(STORE_AS_IT_IS, migrations.RunSQL.noop),
        migrations.RunSQL(MARK_WHAT_IS_THERE, migrations.RunSQL.noop),
    ]
