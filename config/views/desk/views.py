"""The auditor's desk. Reading is recorded as a look, taking rows away as an export; nothing here changes what is examined."""

from __future__ import annotations

from collections.abc import Iterator

from django.http import HttpRequest, HttpResponse, StreamingHttpResponse
from django.shortcuts import render
from django.views.decorators.http import require_POST, require_safe

from approvals.flags.queries import flags_of
from audit.watch import export_rows
from config.views.audit_pages import status_card
from config.views.desk import exports, pages, searching
from config.views.desk.parts import DeskPage, Panel, Table, desk_page, money_texts, scope_of
from identity.actors import actor_of
from identity.console import lead_back, person_of
from identity.permissions import Permission, permissions_of, requires
from kernel.clock import now as clock_now
from kernel.listing import page_of
from reconciliation.assurance.access import access_rows, duty_rows
from reconciliation.assurance.controls import control_rows
from reconciliation.assurance.looks import record_export, record_look
from reconciliation.assurance.population import statement
from reconciliation.assurance.queries import get_rule_run_for, get_sample_for, visible_rule_runs, visible_samples
from reconciliation.assurance.rule_runs import request_rule_run
from reconciliation.assurance.rule_runs import scope_of as scope_of_run
from reconciliation.assurance.samples import draw_sample, redrawn
from reconciliation.assurance.scope import Scope
from reconciliation.assurance.states import RuleRunState, SampleMethod
from reconciliation.assurance.tie_out import tie_out

TEMPLATE = "audit/desk/page.html"
# What stands in every address of the desk and narrows nothing down by itself.
PERIOD_AND_PAGE = frozenset({"since", "until", "page", "after", "before"})


@require_safe
@requires(Permission.AUDIT_READ)
def home(request: HttpRequest) -> HttpResponse:
    """Show how the chain is doing, where its checkpoints lie, and the statement of completeness."""
    now, scope = clock_now(), scope_of(request, request.GET, clock_now())
    found = statement(scope, run_by=str(person_of(request).pk), run_at=now)
    panels = [*pages.statement_panels(found, person_of(request).get_username()), pages.exports_panel(export_rows())]
    lead = "How much there is, from where to where, and that nothing is missing: before any sample."
    page = desk_page(request, scope, "desk:home", title="Auditor's desk", lead=lead, panels=panels)
    return _shown(request, page, "desk:home", card=status_card(now))


@require_safe
@requires(Permission.AUDIT_READ)
def search(request: HttpRequest) -> HttpResponse:
    """Find proposals by period, company, agent, approver, amount, flag and document."""
    scope = scope_of(request, request.GET, clock_now())
    found = page_of(searching.found(request.GET, scope), request.GET)
    flags = flags_of([row.pk for row in found.rows])
    rows = [pages.found_cells(row, exports.document_of(row), [flag.rule for flag in flags.get(row.pk, [])]) for row in found.rows]
    columns = ("Proposal", "State", "Amount", "Company", "Agent", "Flags", "Submitted")
    panel = Panel("found", "Proposals", table=Table("Proposals, newest first", columns, rows), empty="Nothing matches: widen the period.")
    lead = "Every proposal of the period; each leads to everything that is recorded about it."
    page = desk_page(request, scope, "desk:search", title="Search", lead=lead, panels=[panel])
    return _shown(request, page, "desk:search", fields=searching.fields_of(request.GET, scope), page_of=found)


@require_safe
@requires(Permission.AUDIT_READ)
def tied(request: HttpRequest) -> HttpResponse:
    """Hold gate and ERP against each other."""
    scope = scope_of(request, request.GET, clock_now())
    lead = "What the gate committed and what the ERP has: counts, sums, and what each side has alone."
    page = desk_page(request, scope, "desk:tie_out", title="Tie-out", lead=lead, panels=pages.tie_out_panels(tie_out(scope)))
    return _shown(request, page, "desk:tie_out")


@require_safe
@requires(Permission.AUDIT_READ)
def controls(request: HttpRequest) -> HttpResponse:
    """Show the control matrix with its results, computed now over the whole population."""
    scope = scope_of(request, request.GET, clock_now())
    lead = "Each control tested over everything in the period, not over a sample; what nobody can compute says so."
    panels = [pages.controls_panel(control_rows(scope))]
    page = desk_page(request, scope, "desk:controls", title="Control matrix", lead=lead, panels=panels)
    return _shown(request, page, "desk:controls", export="desk:export_controls")


@require_safe
@requires(Permission.AUDIT_READ)
def access(request: HttpRequest) -> HttpResponse:
    """Show who held which role, and what people did at the gate."""
    scope = scope_of(request, request.GET, clock_now())
    changes, duties = access_rows(scope), duty_rows(scope)
    keys = {row.user_id for row in changes} | {row.changed_by for row in changes if row.changed_by} | {row.user_id for row in duties}
    panels = pages.access_panels(changes, duties, searching.names_by_key(keys))
    lead = "Roles come from assignments only; nobody is exempt from segregation of duties."
    page = desk_page(request, scope, "desk:access", title="Access and duties", lead=lead, panels=panels)
    return _shown(request, page, "desk:access")


@require_safe
@requires(Permission.AUDIT_READ)
def rule_runs(request: HttpRequest) -> HttpResponse:
    """List the runs of the rules, newest first."""
    scope = scope_of(request, request.GET, clock_now())
    found = page_of(visible_rule_runs(person_of(request)), request.GET)
    columns = ("Period", "State", "Population", "Hits", "Started")
    table = Table("Runs of the rules, newest first", columns, [pages.rule_run_cells(run) for run in found.rows])
    panel = Panel("runs", "Runs", table=table, empty="No run yet: choose a period above and run the rules over it.")
    lead = "The rules J1 to J17 over everything that landed in a period: the same rules that flag a proposal at the gate."
    page = desk_page(request, scope, "desk:rule_runs", title="Journal-entry tests", lead=lead, panels=[panel])
    return _shown(request, page, "desk:rule_runs", page_of=found, action="run")


@require_safe
@requires(Permission.AUDIT_READ)
def rule_run(request: HttpRequest, run_id: str) -> HttpResponse:
    """Show what each rule came to, and the hits of one of them or of all."""
    run = get_rule_run_for(person_of(request), run_id)
    chosen = request.GET.get("rule", "")
    hits = page_of(exports.hits_of(run, chosen), request.GET)
    panels = [
        pages.results_panel(run, chosen),
        Panel("hits", f"Hits of {chosen}" if chosen else "Hits", table=pages.hits_table(hits.rows), empty="No rule struck anything here."),
    ]
    lead = f"{run.population_count:,} writes, {money_texts(run.population_totals)}; started {run.started_at:%Y-%m-%d %H:%M} UTC."
    scope = scope_of_run(run)
    page = desk_page(request, scope, "desk:rule_runs", title=f"Rules, {run}", lead=lead, panels=panels, crumb=run.public_id)
    is_waiting = run.state == RuleRunState.REQUESTED
    return _shown(request, page, "desk:rule_run", about=run.public_id, page_of=hits, run=run, is_waiting=is_waiting, action="export_hits")


@require_POST
@requires(Permission.EVIDENCE_EXPORT)
def run_rules(request: HttpRequest) -> HttpResponse:
    """Ask for a run of the rules; a worker does it soon."""
    now = clock_now()
    scope = scope_of(request, request.POST, now, Permission.EVIDENCE_EXPORT)
    run = request_rule_run(scope=scope, user=person_of(request), actor=actor_of(request), now=now)
    return lead_back(request, f"The rules are being run over {scope}.", "desk:rule_run", run.public_id)


@require_safe
@requires(Permission.AUDIT_READ)
def samples(request: HttpRequest) -> HttpResponse:
    """List the samples, newest first."""
    scope = scope_of(request, request.GET, clock_now())
    found = page_of(visible_samples(person_of(request)), request.GET)
    columns = ("Purpose", "Method", "Size", "Seed", "Drawn")
    table = Table("Samples, newest first", columns, [pages.sample_cells(sample) for sample in found.rows])
    panel = Panel("samples", "Samples", table=table, empty="No sample yet: say above what it is for, and draw one.")
    lead = "Drawn from everything that landed in the period; the seed is kept, so that anybody draws the same again."
    page = desk_page(request, scope, "desk:samples", title="Samples", lead=lead, panels=[panel])
    return _shown(request, page, "desk:samples", page_of=found, action="draw", methods=SampleMethod.choices)


@require_safe
@requires(Permission.AUDIT_READ)
def sample(request: HttpRequest, sample_id: str) -> HttpResponse:
    """Show one sample, drawn again from its seed to see whether the population is still the same."""
    found = get_sample_for(person_of(request), sample_id)
    picked, population = redrawn(found)
    kept = list(found.items.values_list("proposal_id", flat=True))
    is_same = population.text == found.population_digest and [item.member.key for item in picked] == kept
    scope = Scope(found.since, found.until, tuple(found.companies))
    panels = pages.sample_panels(found, is_same)
    page = desk_page(request, scope, "desk:samples", title=found.purpose, lead=str(scope), panels=panels, crumb=found.public_id)
    return _shown(request, page, "desk:sample", about=found.public_id, sample=found, action="export_sample")


@require_POST
@requires(Permission.EVIDENCE_EXPORT)
def draw(request: HttpRequest) -> HttpResponse:
    """Draw a sample and keep it with its seed."""
    now = clock_now()
    size = request.POST.get("size", "")
    made = draw_sample(
        scope=scope_of(request, request.POST, now, Permission.EVIDENCE_EXPORT),
        method=request.POST.get("method", ""),
        size=int(size) if size.isascii() and size.isdecimal() and len(size) < 6 else 0,
        purpose=request.POST.get("purpose", "").replace("\0", "")[:400],
        seed=request.POST.get("seed", "").strip(),
        currency=request.POST.get("currency", "").strip().upper(),
        user=person_of(request),
        actor=actor_of(request),
        now=now,
    )
    return lead_back(request, "The sample is drawn.", "desk:sample", made.public_id)


@require_POST
@requires(Permission.EVIDENCE_EXPORT)
def export_hits(request: HttpRequest, run_id: str) -> StreamingHttpResponse:
    """Stream the hits of a run; the export is an event itself, hence a POST."""
    run = get_rule_run_for(person_of(request), run_id)
    rows = exports.hits_of(run, request.POST.get("rule", ""))
    return _exported(request, "desk:export_hits", rows.count(), exports.hit_lines(rows), f"hits-{run.public_id}", about=run.public_id)


@require_POST
@requires(Permission.EVIDENCE_EXPORT)
def export_sample(request: HttpRequest, sample_id: str) -> StreamingHttpResponse:
    """Stream a sample; the export is an event itself, hence a POST."""
    found = get_sample_for(person_of(request), sample_id)
    rows = found.items.select_related("proposal", "proposal__commit__receipt")
    return _exported(request, "desk:export_sample", rows.count(), exports.sample_lines(rows), found.public_id, about=found.public_id)


@require_POST
@requires(Permission.EVIDENCE_EXPORT)
def export_controls(request: HttpRequest) -> StreamingHttpResponse:
    """Stream the control matrix with its results; the export is an event itself, hence a POST."""
    scope = scope_of(request, request.POST, clock_now(), Permission.EVIDENCE_EXPORT)
    rows = control_rows(scope)
    return _exported(request, "desk:export_controls", len(rows), exports.control_lines(rows), f"controls-{scope.first_day}")


def _shown(request: HttpRequest, page: DeskPage, name: str, *, about: str = "", **more: object) -> HttpResponse:
    """Return the page, the look at it recorded."""
    held = permissions_of(request.user)
    used = sum(bool(value) for key, value in request.GET.items() if key not in PERIOD_AND_PAGE)
    context = {"page": page, "may_export": Permission.EVIDENCE_EXPORT in held, "filter_count": used, **more}
    response = render(request, TEMPLATE, context)
    company = page.scope.companies[0] if len(page.scope.companies) == 1 else ""
    asked: dict[str, object] = {**request.GET.dict(), **page.scope.parameters}
    record_look(page=name, actor=actor_of(request), now=clock_now(), about=about, company=company, parameters=asked)
    return response


def _exported(
    request: HttpRequest, name: str, count: int, lines: Iterator[str], file_name: str, *, about: str = ""
) -> StreamingHttpResponse:
    parameters = {key: value for key, value in request.POST.dict().items() if key != "csrfmiddlewaretoken"}
    record_export(page=name, actor=actor_of(request), now=clock_now(), rows=count, about=about, parameters=parameters)
    response = StreamingHttpResponse(lines, content_type="text/csv; charset=utf-8")
    response["Content-Disposition"] = f'attachment; filename="{file_name}.csv"'
    return response
