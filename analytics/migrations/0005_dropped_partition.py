from django.db import migrations, models


class Migration(migrations.Migration):

    dependencies = [
        ('analytics', '0004_rollups'),
    ]

    operations = [
        migrations.CreateModel(
            name='DroppedPartition',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('month', models.DateField(help_text='Its first day, UTC.')),
                ('table', models.CharField(max_length=50)),
                ('rows', models.BigIntegerField(help_text='Near, not exact, where there were many.')),
                ('size_bytes', models.BigIntegerField(help_text='On disk, with its index.')),
                ('dropped_at', models.DateTimeField()),
            ],
            options={
                'ordering': ['-dropped_at', '-month', 'table'],
            },
        ),
    ]
