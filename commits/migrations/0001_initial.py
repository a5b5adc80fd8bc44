import django.db.models.deletion
import kernel.ids
from django.db import migrations, models


class Migration(migrations.Migration):

    initial = True

    dependencies = [
        ('proposals', '0001_initial'),
    ]

    operations = [
        migrations.CreateModel(
            name='Commit',
            fields=[
                ('id', models.UUIDField(default=kernel.ids.new_id, editable=False, primary_key=True, serialize=False)),
                ('connection', models.CharField(default='embedded', max_length=40)),
                ('company', models.CharField(max_length=12)),
                ('tool', models.CharField(max_length=64)),
                ('state', models.CharField(choices=[('queued', 'Queued'), ('in_flight', 'In flight'), ('succeeded', 'Succeeded'), ('failed', 'Failed'), ('unknown', 'Unknown')], default='queued', max_length=10)),
                ('attempt_number', models.PositiveIntegerField(default=0, help_text='Fence: a settlement for an older number is ignored')),
                ('request_bytes', models.BinaryField(blank=True, help_text='What was or will be sent; fixed at the first claim', null=True)),
                ('first_sent_at', models.DateTimeField(blank=True, null=True)),
                ('lease_until', models.DateTimeField(blank=True, null=True)),
                ('not_before', models.DateTimeField(help_text='Backoff: not claimed earlier')),
                ('code', models.CharField(blank=True, max_length=64)),
                ('detail', models.TextField(blank=True)),
                ('is_retryable', models.BooleanField(default=False)),
                ('opened_at', models.DateTimeField()),
                ('settled_at', models.DateTimeField(blank=True, null=True)),
                ('proposal', models.OneToOneField(on_delete=django.db.models.deletion.PROTECT, related_name='commit', to='proposals.proposal')),
            ],
        ),
        migrations.CreateModel(
            name='Attempt',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('number', models.PositiveIntegerField()),
                ('worker', models.CharField(max_length=80)),
                ('outcome', models.CharField(choices=[('running', 'Running'), ('posted', 'Posted'), ('replayed', 'Replayed'), ('refused', 'Refused'), ('not_sent', 'Not sent'), ('lost', 'Answer lost')], default='running', max_length=10)),
                ('detail', models.TextField(blank=True)),
                ('started_at', models.DateTimeField()),
                ('finished_at', models.DateTimeField(blank=True, null=True)),
                ('commit', models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, related_name='attempts', to='commits.commit')),
            ],
            options={
                'ordering': ['number'],
            },
        ),
        migrations.CreateModel(
            name='Receipt',
            fields=[
                ('commit', models.OneToOneField(on_delete=django.db.models.deletion.PROTECT, primary_key=True, related_name='receipt', serialize=False, to='commits.commit')),
                ('document', models.CharField(max_length=80)),
                ('answer_bytes', models.BinaryField(help_text="Canonical bytes of the ERP's answer")),
                ('read_back_bytes', models.BinaryField(help_text='Canonical bytes of what was read back')),
                ('differences', models.JSONField(default=list, help_text='[{"field", "approved", "landed"}]; empty when as approved')),
                ('recorded_at', models.DateTimeField()),
            ],
            options={
                'indexes': [models.Index(fields=['document'], name='commits_receipt_by_document')],
            },
        ),
        migrations.AddIndex(
            model_name='commit',
            index=models.Index(condition=models.Q(('state', 'queued')), fields=['not_before', 'id'], name='commits_queued'),
        ),
        migrations.AddIndex(
            model_name='commit',
            index=models.Index(condition=models.Q(('state__in', ['in_flight', 'unknown'])), fields=['lease_until'], name='commits_unsettled'),
        ),
        migrations.AddConstraint(
            model_name='commit',
            constraint=models.CheckConstraint(condition=models.Q(('state__in', ['queued', 'in_flight', 'succeeded', 'failed', 'unknown'])), name='commits_state_known'),
        ),
        migrations.AddConstraint(
            model_name='commit',
            constraint=models.CheckConstraint(condition=models.Q(models.Q(('state', 'in_flight'), ('lease_until__isnull', False), ('request_bytes__isnull', False)), models.Q(models.Q(('state', 'in_flight'), _negated=True), ('lease_until__isnull', True)), _connector='OR'), name='commits_lease_exactly_in_flight'),
        ),
        migrations.AddConstraint(
            model_name='commit',
            constraint=models.CheckConstraint(condition=models.Q(models.Q(('state__in', ['succeeded', 'failed']), ('settled_at__isnull', False)), models.Q(models.Q(('state__in', ['succeeded', 'failed']), _negated=True), ('settled_at__isnull', True)), _connector='OR'), name='commits_settled_at_matches_state'),
        ),
        migrations.AddConstraint(
            model_name='attempt',
            constraint=models.UniqueConstraint(fields=('commit', 'number'), name='commits_attempt_number_once'),
        ),
        migrations.AddConstraint(
            model_name='attempt',
            constraint=models.CheckConstraint(condition=models.Q(('outcome__in', ['running', 'posted', 'replayed', 'refused', 'not_sent', 'lost'])), name='commits_attempt_outcome_known'),
        ),
    ]
