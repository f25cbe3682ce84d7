from django.db import migrations, models


class Migration(migrations.Migration):

    dependencies = [
        ('consent', '0007_undecided_kept'),
    ]

    operations = [
        migrations.AddField(
            model_name='key',
            name='expires_at',
            field=models.DateTimeField(blank=True, editable=False, help_text='From then on it is refused.', null=True),
        ),
    ]
