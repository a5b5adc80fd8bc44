import django.db.models.deletion
import kernel.ids
from django.conf import settings
from django.db import migrations, models


class Migration(migrations.Migration):

    initial = True

    dependencies = [
        ('identity', '0001_initial'),
        ('proposals', '0001_initial'),
        migrations.swappable_dependency(settings.AUTH_USER_MODEL),
    ]

    operations = [
        migrations.CreateModel(
            name='Policy',
            fields=[
                ('id', models.UUIDField(default=kernel.ids.new_id, editable=False, primary_key=True, serialize=False)),
                ('version', models.PositiveIntegerField(unique=True)),
                ('title', models.CharField(max_length=120)),
                ('state', models.CharField(choices=[('draft', 'Draft'), ('review', 'In review'), ('active', 'Active'), ('retired', 'Retired')], default='draft', max_length=10)),
                ('digest', models.CharField(blank=True, help_text='Over all rows, fixed when the policy leaves draft', max_length=71)),
                ('created_at', models.DateTimeField()),
                ('activated_at', models.DateTimeField(blank=True, null=True)),
                ('retired_at', models.DateTimeField(blank=True, null=True)),
                ('activated_by', models.ForeignKey(blank=True, null=True, on_delete=django.db.models.deletion.PROTECT, related_name='+', to=settings.AUTH_USER_MODEL)),
                ('author', models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, related_name='+', to=settings.AUTH_USER_MODEL)),
            ],
            options={
                'verbose_name_plural': 'policies',
            },
        ),
        migrations.CreateModel(
            name='PolicyRow',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('priority', models.PositiveIntegerField()),
                ('title', models.CharField(max_length=120)),
                ('tool', models.CharField(max_length=64)),
                ('company', models.CharField(blank=True, help_text='Empty matches every company', max_length=12)),
                ('cost_centre', models.CharField(blank=True, help_text='Empty matches every cost centre', max_length=40)),
                ('currency', models.CharField(max_length=3)),
                ('from_minor', models.BigIntegerField(default=0, help_text='Inclusive')),
                ('up_to_minor', models.BigIntegerField(blank=True, help_text='Inclusive; empty means no upper end', null=True)),
                ('rolling_days', models.PositiveIntegerField(default=0, help_text='Compare the rolling sum per agent and counterparty over so many days, not the single amount')),
                ('is_automatic', models.BooleanField(default=False, help_text='Approves without a person: reversible tools only, capped')),
                ('steps', models.JSONField(help_text='[{"group": "purchasing", "min_approvals": 1}], asked in order')),
                ('policy', models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, related_name='rows', to='approvals.policy')),
            ],
            options={
                'ordering': ['priority'],
            },
        ),
        migrations.CreateModel(
            name='Presentation',
            fields=[
                ('id', models.UUIDField(default=kernel.ids.new_id, editable=False, primary_key=True, serialize=False)),
                ('digest', models.CharField(max_length=71)),
                ('stored_bytes', models.BinaryField()),
                ('renderer', models.CharField(max_length=40)),
                ('locale', models.CharField(max_length=16)),
                ('first_shown_at', models.DateTimeField()),
                ('proposal', models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, related_name='presentations', to='proposals.proposal')),
            ],
        ),
        migrations.CreateModel(
            name='Route',
            fields=[
                ('proposal', models.OneToOneField(on_delete=django.db.models.deletion.PROTECT, primary_key=True, related_name='route', serialize=False, to='proposals.proposal')),
                ('reason', models.TextField(help_text='Why this row matched, in one sentence')),
                ('routed_minor', models.BigIntegerField(help_text='The amount compared: the single amount or the rolling sum')),
                ('is_automatic', models.BooleanField(default=False)),
                ('snapshot', models.JSONField(help_text='Row, steps and people as they were')),
                ('digest', models.CharField(max_length=71)),
                ('created_at', models.DateTimeField()),
                ('policy', models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, to='approvals.policy')),
                ('row', models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, to='approvals.policyrow')),
            ],
        ),
        migrations.CreateModel(
            name='Exclusion',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('reason', models.CharField(help_text='owner, sponsor, asked, issued_credential, issued_grant, last_editor, policy_author', max_length=40)),
                ('user', models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, related_name='+', to=settings.AUTH_USER_MODEL)),
                ('route', models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, related_name='exclusions', to='approvals.route')),
            ],
        ),
        migrations.CreateModel(
            name='RouteStep',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('position', models.PositiveIntegerField()),
                ('min_approvals', models.PositiveIntegerField()),
                ('state', models.CharField(choices=[('waiting', 'Waiting'), ('open', 'Open'), ('satisfied', 'Satisfied'), ('ended', 'Ended')], default='waiting', max_length=10)),
                ('opened_at', models.DateTimeField(blank=True, null=True)),
                ('satisfied_at', models.DateTimeField(blank=True, null=True)),
                ('group', models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, to='identity.approvalgroup')),
                ('route', models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, related_name='steps', to='approvals.route')),
            ],
            options={
                'ordering': ['position'],
            },
        ),
        migrations.CreateModel(
            name='Decision',
            fields=[
                ('id', models.UUIDField(default=kernel.ids.new_id, editable=False, primary_key=True, serialize=False)),
                ('kind', models.CharField(choices=[('approve', 'Approve'), ('reject', 'Reject'), ('request_changes', 'Request changes')], max_length=16)),
                ('payload_digest', models.CharField(max_length=71)),
                ('reason_code', models.CharField(blank=True, max_length=40)),
                ('comment', models.TextField(blank=True)),
                ('authentication', models.JSONField(default=list, help_text="Methods of the deciding person's login, e.g. password, totp")),
                ('shown_at', models.DateTimeField()),
                ('decided_at', models.DateTimeField()),
                ('proposal', models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, related_name='decisions', to='proposals.proposal')),
                ('user', models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, related_name='decisions', to=settings.AUTH_USER_MODEL)),
                ('presentation', models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, related_name='decisions', to='approvals.presentation')),
                ('step', models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, related_name='decisions', to='approvals.routestep')),
            ],
        ),
        migrations.AddConstraint(
            model_name='policy',
            constraint=models.UniqueConstraint(condition=models.Q(('state', 'active')), fields=('state',), name='approvals_one_active_policy'),
        ),
        migrations.AddConstraint(
            model_name='policy',
            constraint=models.CheckConstraint(condition=models.Q(('state__in', ['draft', 'review', 'active', 'retired'])), name='approvals_policy_state_known'),
        ),
        migrations.AddConstraint(
            model_name='policy',
            constraint=models.CheckConstraint(condition=models.Q(('activated_by__isnull', True), models.Q(('activated_by', models.F('author')), _negated=True), _connector='OR'), name='approvals_author_never_activates'),
        ),
        migrations.AddConstraint(
            model_name='policy',
            constraint=models.CheckConstraint(condition=models.Q(models.Q(('activated_by__isnull', True), ('state__in', ['draft', 'review'])), models.Q(('activated_at__isnull', False), ('activated_by__isnull', False), ('state__in', ['active', 'retired'])), _connector='OR'), name='approvals_active_means_activated'),
        ),
        migrations.AddConstraint(
            model_name='policyrow',
            constraint=models.UniqueConstraint(fields=('policy', 'priority'), name='approvals_priority_once_per_policy'),
        ),
        migrations.AddConstraint(
            model_name='policyrow',
            constraint=models.CheckConstraint(condition=models.Q(('up_to_minor__isnull', True), ('up_to_minor__gte', models.F('from_minor')), _connector='OR'), name='approvals_band_not_empty'),
        ),
        migrations.AddConstraint(
            model_name='policyrow',
            constraint=models.CheckConstraint(condition=models.Q(('is_automatic', False), models.Q(('steps', []), ('up_to_minor__isnull', False)), _connector='OR'), name='approvals_automatic_is_capped'),
        ),
        migrations.AddConstraint(
            model_name='policyrow',
            constraint=models.CheckConstraint(condition=models.Q(('is_automatic', True), models.Q(('steps', []), _negated=True), _connector='OR'), name='approvals_row_asks_somebody'),
        ),
        migrations.AddConstraint(
            model_name='presentation',
            constraint=models.UniqueConstraint(fields=('proposal', 'digest'), name='approvals_presentation_once'),
        ),
        migrations.AddConstraint(
            model_name='exclusion',
            constraint=models.UniqueConstraint(fields=('route', 'user', 'reason'), name='approvals_excluded_once_per_reason'),
        ),
        migrations.AddIndex(
            model_name='routestep',
            index=models.Index(condition=models.Q(('state', 'open')), fields=['group'], name='approvals_open_steps_by_group'),
        ),
        migrations.AddConstraint(
            model_name='routestep',
            constraint=models.UniqueConstraint(fields=('route', 'position'), name='approvals_step_position_once'),
        ),
        migrations.AddConstraint(
            model_name='routestep',
            constraint=models.UniqueConstraint(condition=models.Q(('state', 'open')), fields=('route',), name='approvals_one_open_step'),
        ),
        migrations.AddConstraint(
            model_name='routestep',
            constraint=models.CheckConstraint(condition=models.Q(('min_approvals__gte', 1)), name='approvals_step_needs_somebody'),
        ),
        migrations.AddConstraint(
            model_name='routestep',
            constraint=models.CheckConstraint(condition=models.Q(('state__in', ['waiting', 'open', 'satisfied', 'ended'])), name='approvals_step_state_known'),
        ),
        migrations.AddConstraint(
            model_name='decision',
            constraint=models.UniqueConstraint(fields=('proposal', 'user'), name='approvals_one_decision_per_person'),
        ),
        migrations.AddConstraint(
            model_name='decision',
            constraint=models.CheckConstraint(condition=models.Q(('kind__in', ['approve', 'reject', 'request_changes'])), name='approvals_decision_kind_known'),
        ),
        migrations.AddConstraint(
            model_name='decision',
            constraint=models.CheckConstraint(condition=models.Q(('decided_at__gte', models.F('shown_at'))), name='approvals_decided_after_shown'),
        ),
        migrations.AddConstraint(
            model_name='decision',
            constraint=models.CheckConstraint(condition=models.Q(('kind', 'approve'), models.Q(models.Q(('reason_code', ''), _negated=True), models.Q(('comment', ''), _negated=True)), _connector='OR'), name='approvals_refusal_has_reason'),
        ),
    ]
