"""The controller's door: versions of the matrix are edited, imported, checked, tried and compared."""

from __future__ import annotations

from typing import Any

from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, render
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from approvals.matrix import currencies as money
from approvals.matrix import editing
from approvals.matrix.forms import STEPS_MAX, CurrencyForm, DraftForm, ImportForm, RateForm, RowForm, TrialForm, row_initial
from approvals.matrix.pages import (
    backtest_page,
    check_page,
    currency_lines,
    difference_page,
    heading,
    in_flight_page,
    in_flight_text,
    rate_page,
    trial_page,
)
from approvals.matrix.sheet import errors_of, parse_sheet, sheet
from approvals.matrix.tester import try_out
from approvals.models import Policy, PolicyRow
from approvals.pages.policies import versions
from approvals.services.matrix import return_policy as return_version
from approvals.states import PolicyState
from identity.actors import actor_of
from identity.console import lead_back, person_of
from identity.permissions import Permission, companies_with, requires
from identity.queries import companies_of, visible_agents
from kernel.clock import now as clock_now
from kernel.errors import StateConflict, ValidationFailed
from kernel.ids import Prefix, decode


@require_http_methods(["GET", "HEAD", "POST"])
@requires(Permission.POLICY_EDIT)
def new_policy(request: HttpRequest) -> HttpResponse:
    """Begin the next version as a draft."""
    policies = list(versions()[:50])
    active = next((policy.public_id for policy in policies if policy.state == PolicyState.ACTIVE), "")
    form = DraftForm(request.POST if request.method == "POST" else None, policies=policies, initial={"copy_of": active})
    if form.is_bound and form.is_valid():
        copied = next((policy for policy in policies if policy.public_id == form.cleaned_data["copy_of"]), None)
        try:
            made = editing.start_draft(title=form.cleaned_data["title"], copy_of=copied, **_by(request))
        except (ValidationFailed, StateConflict) as error:
            form.refuse(error)
        else:
            return lead_back(request, f"Version {made.version} is a draft. Nothing is routed by it.", "approvals:policy", made.public_id)
    return render(request, "approvals/policy_new.html", {"form": form}, status=form.status)


@require_POST
@requires(Permission.POLICY_EDIT)
def return_policy(request: HttpRequest, policy_id: str) -> HttpResponse:
    """Make a version in review a draft again."""
    return_version(policy_id=decode(Prefix.POLICY, policy_id), **_by(request))
    return lead_back(request, "A draft again: its rows can be changed.", "approvals:policy", policy_id)


@require_http_methods(["GET", "HEAD", "POST"])
@requires(Permission.POLICY_EDIT)
def row(request: HttpRequest, policy_id: str, row_id: int | None = None) -> HttpResponse:
    """Show the form of one row, and save it."""
    policy = _draft(policy_id)
    found = get_object_or_404(policy.rows, pk=row_id) if row_id is not None else None
    form = _row_form(request, policy, found)
    if request.method == "POST" and "more" not in request.POST and form.is_valid():
        try:
            editing.save_row(policy_id=policy.pk, row_id=row_id, draft=form.draft(), seen=form.cleaned_data["seen"], **_by(request))
        except (ValidationFailed, StateConflict) as error:
            form.refuse(error)
        else:
            return lead_back(request, f"Row {form.cleaned_data['priority']} is saved.", "approvals:policy", policy_id)
    context = {"page": heading(policy, "policy"), "form": form, "row": found, "may_add_step": len(form.step_numbers) < STEPS_MAX}
    return render(request, "approvals/policy_row.html", context, status=200 if "more" in request.POST else form.status)


@require_POST
@requires(Permission.POLICY_EDIT)
def remove_row(request: HttpRequest, policy_id: str, row_id: int) -> HttpResponse:
    """Take one row out of a draft."""
    key, seen = decode(Prefix.POLICY, policy_id), request.POST.get("seen", "")
    editing.remove_row(policy_id=key, row_id=row_id, seen=seen, **_by(request))
    return lead_back(request, "The row is no longer in this draft.", "approvals:policy", policy_id)


@require_POST
@requires(Permission.POLICY_EDIT)
def move_row(request: HttpRequest, policy_id: str, row_id: int) -> HttpResponse:
    """Let one row of a draft change places with its neighbour."""
    key, is_up = decode(Prefix.POLICY, policy_id), request.POST.get("to") == "up"
    editing.move_row(policy_id=key, row_id=row_id, is_up=is_up, **_by(request))
    return lead_back(request, "The row was moved.", "approvals:policy", policy_id)


@require_POST
@requires(Permission.POLICY_EDIT)
def renumber(request: HttpRequest, policy_id: str) -> HttpResponse:
    """Number the rows of a draft anew."""
    editing.renumber(policy_id=decode(Prefix.POLICY, policy_id), **_by(request))
    return lead_back(request, "The rows are numbered 10, 20, 30 and so on.", "approvals:policy", policy_id)


@require_POST
@requires(Permission.POLICY_EDIT)
def rename(request: HttpRequest, policy_id: str) -> HttpResponse:
    """Give a draft another title."""
    editing.rename(policy_id=decode(Prefix.POLICY, policy_id), title=request.POST.get("title", ""), **_by(request))
    return lead_back(request, "The title is changed.", "approvals:policy", policy_id)


@require_http_methods(["GET", "HEAD", "POST"])
@requires(Permission.POLICY_EDIT)
def import_policy(request: HttpRequest, policy_id: str) -> HttpResponse:
    """Replace the rows of a draft by those of a CSV file."""
    policy = _draft(policy_id)
    form = ImportForm(request.POST, request.FILES) if request.method == "POST" else ImportForm()
    mistakes: list[str] = []
    if form.is_bound and form.is_valid():
        try:
            rows = parse_sheet(form.cleaned_data["file"].read())
            editing.replace_rows(policy_id=policy.pk, rows=rows, **_by(request))
        except ValidationFailed as error:
            form.add_error("file", error.detail)
            mistakes = list(errors_of(error))
        except StateConflict as error:
            form.refuse(error)
        else:
            return lead_back(request, f"{len(rows)} rows were imported.", "approvals:policy", policy_id)
    context = {"page": heading(policy, "policy"), "form": form, "mistakes": mistakes}
    return render(request, "approvals/policy_import.html", context, status=form.status)


@require_safe
@requires(Permission.POLICY_READ)
def export_policy(request: HttpRequest, policy_id: str) -> HttpResponse:
    """Hand out the rows of a version as CSV."""
    policy = _version(policy_id)
    editing.record_export(policy=policy, actor=actor_of(request), now=clock_now())
    name = f"policy-v{policy.version}.csv"
    headers = {"Content-Disposition": f'attachment; filename="{name}"', "X-Content-Type-Options": "nosniff"}
    return HttpResponse(sheet(policy.rows.all()).encode("utf-8-sig"), content_type="text/csv; charset=utf-8", headers=headers)


@require_safe
@requires(Permission.POLICY_READ)
def check_policy(request: HttpRequest, policy_id: str) -> HttpResponse:
    """Show gaps, rows that never decide, and overlaps of a version."""
    policy = _version(policy_id)
    return render(request, "approvals/policy_check.html", {"page": heading(policy, "check_policy"), "check": check_page(policy)})


@require_safe
@requires(Permission.POLICY_READ)
def try_policy(request: HttpRequest, policy_id: str) -> HttpResponse:
    """Show where a write would go by this version; nothing is written."""
    policy, user = _version(policy_id), person_of(request)
    companies = sorted(companies_of(user))
    form = TrialForm(request.GET or None, agents=list(visible_agents(user)[:200]), company=companies[0] if companies else "")
    answer = trial_page(try_out(policy, form.trial(), clock_now())) if form.is_bound and form.is_valid() else None
    return render(request, "approvals/policy_try.html", {"page": heading(policy, "try_policy"), "form": form, "answer": answer})


@require_safe
@requires(Permission.POLICY_READ)
def compare_policy(request: HttpRequest, policy_id: str) -> HttpResponse:
    """Show what differs from another version."""
    policy = _version(policy_id)
    others = list(versions().exclude(pk=policy.pk)[:50])
    found = difference_page(policy, others, request.GET.get("against", ""))
    return render(request, "approvals/policy_compare.html", {"page": heading(policy, "compare_policy"), "difference": found})


@require_safe
@requires(Permission.POLICY_READ)
def backtest_policy(request: HttpRequest, policy_id: str) -> HttpResponse:
    """Show what a version would have changed in the last 90 days."""
    policy = _version(policy_id)
    found = backtest_page(policy, person_of(request), request.GET, clock_now())
    return render(request, "approvals/policy_backtest.html", {"page": heading(policy, "backtest_policy"), "backtest": found})


@require_safe
@requires(Permission.POLICY_READ)
def in_flight(request: HttpRequest) -> HttpResponse:
    """List what is pending and keeps the route of an older version."""
    user, now = person_of(request), clock_now()
    context = {"page": in_flight_page(user, request.GET, now), "summary": in_flight_text(user, now)}
    return render(request, "approvals/in_flight.html", context)


@require_safe
@requires(Permission.POLICY_READ)
def currencies(request: HttpRequest) -> HttpResponse:
    """Show company currencies and exchange rates."""
    return _currencies(request, *_currency_forms(request, ""))


@require_POST
@requires(Permission.POLICY_EDIT)
def record_currency(request: HttpRequest) -> HttpResponse:
    """Record a rate, a company's currency, or what the ERP says about all of them."""
    kind = request.POST.get("kind", "")
    currency_form, rate_form = _currency_forms(request, kind)
    try:
        said = _record(request, currency_form, rate_form)
    except ValidationFailed as error:
        (currency_form if kind == "currency" else rate_form).refuse(error)
        said = ""
    if said:
        return lead_back(request, said, "approvals:currencies")
    return _currencies(request, currency_form, rate_form, status=422)


def _currency_forms(request: HttpRequest, kind: str) -> tuple[CurrencyForm, RateForm]:
    edited = sorted(companies_with(person_of(request), Permission.POLICY_EDIT))
    return (
        CurrencyForm(request.POST if kind == "currency" else None, companies=edited),
        RateForm(request.POST if kind == "rate" else None, initial={"rate_on": clock_now().date()}),
    )


def _currencies(request: HttpRequest, currency_form: CurrencyForm, rate_form: RateForm, status: int = 200) -> HttpResponse:
    user = person_of(request)
    context = {
        "companies": currency_lines(sorted(companies_of(user))),
        "page": rate_page(request.GET),
        "may_edit": bool(companies_with(user, Permission.POLICY_EDIT)),
        "currency_form": currency_form,
        "rate_form": rate_form,
    }
    return render(request, "approvals/currencies.html", context, status=status)


def _record(request: HttpRequest, currency_form: CurrencyForm, rate_form: RateForm) -> str:
    """Record what was sent and return what to say, or an empty text when nothing was sent that could be."""
    if currency_form.is_bound and currency_form.is_valid():
        values = currency_form.cleaned_data
        made = money.record_company_currency(company=values["company"], currency=values["currency"].upper(), **_by(request))
        return f"Amounts of {made.company} are compared in {made.currency} from now on."
    if rate_form.is_bound and rate_form.is_valid():
        values = rate_form.cleaned_data | {name: rate_form.cleaned_data[name].upper() for name in ("from_currency", "to_currency")}
        return f"Recorded: {money.record_rate(**values, **_by(request))}."
    if request.POST.get("kind") == "erp":
        companies = sorted(companies_with(person_of(request), Permission.POLICY_EDIT))
        found = money.currencies_in_erp(companies)
        for company, currency in found.items():
            money.record_company_currency(company=company, currency=currency, **_by(request))
        return f"Recorded as the ERP has it: {', '.join(f'{company} {currency}' for company, currency in found.items()) or 'nothing'}."
    return ""


def _by(request: HttpRequest) -> dict[str, Any]:
    """Return who does it and when, as every service takes it."""
    return {"user": person_of(request), "actor": actor_of(request), "now": clock_now()}


def _version(policy_id: str) -> Policy:
    return get_object_or_404(versions(), pk=decode(Prefix.POLICY, policy_id))


def _draft(policy_id: str) -> Policy:
    """Return the version when it is a draft; raises StateConflict for one whose text is fixed."""
    policy = _version(policy_id)
    if policy.state != PolicyState.DRAFT:
        raise StateConflict(detail=f"Version {policy.version} is {policy.get_state_display().lower()}: only a draft can be changed.")
    return policy


def _row_form(request: HttpRequest, policy: Policy, found: PolicyRow | None) -> RowForm:
    """Return the form of a row with one block more than its steps, or as many as were sent, and one more when asked for."""
    if found is not None:
        initial = {**row_initial(found), "seen": editing.row_digest(found)}
        count = min(len(found.steps) + 1, STEPS_MAX)
    else:
        initial, count = {"priority": editing.next_priority(policy), "currency": "EUR"}, 2
    if request.method != "POST":
        return RowForm(None, initial=initial, step_count=count)
    sent = request.POST.get("step_count", "")
    count = min(max(int(sent), 1), STEPS_MAX) if sent.isascii() and sent.isdigit() and len(sent) < 3 else count
    data = request.POST.copy()
    if "more" in request.POST:
        count = min(count + 1, STEPS_MAX)
        data["step_count"] = str(count)
    return RowForm(data, initial=initial, step_count=count)
