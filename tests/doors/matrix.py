"""Who gets what answer at which address: one line for each address and method, one column for each kind of caller.

`login` is a redirect to the sign-in page; numbers are HTTP statuses. What an allowed person gets from a POST is the answer of the
rule behind the door (303 done, 409 not in this state, 422 not said what for), never 403. A method without a line is refused: 405, and
at the agents' doors 401 to whoever brings no token. `outsider` has the roles approver,
controller, agent owner and operator in another company: what belongs to a company does not exist for them (404).
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

COLUMNS = ("nobody", "agent", "approver", "controller", "agent_owner", "operator", "auditor", "administrator", "outsider")

METHODS = ("GET", "POST")

# Django's own pages for administrators, and allauth's for everybody's account: held to their own rules in the test.
GROUPS = ("admin:", "account_", "mfa_", "openid_connect_", "socialaccount_")

TABLE = """
# address                        nobody agent approver controller agent_owner operator auditor administrator outsider
home                        GET  login  login 200      200        200         200      200     200           200
search                      GET  login  login 200      200        200         200      200     200           200
help                        GET  login  login 200      200        200         200      200     200           200
shortcuts                   POST login  login 303      303        303         303      303     303           303
save_view                   POST login  login 303      303        303         303      303     303           303
remove_view                 POST login  login 303      303        303         303      303     303           303
theme                       POST 303    303   303      303        303         303      303     303           303
health                      GET  200    200   200      200        200         200      200     200           200
health_of_log               GET  503    503   503      503        503         503      503     503           503
health_of_log               POST 503    503   503      503        503         503      503     503           503
health                      POST 200    200   200      200        200         200      200     200           200

# The agents' doors: a session opens none of them, whoever's it is.
oauth_token                 POST 400    400   400      400        400         400      400     400           400
oauth_revoke                POST 400    400   400      400        400         400      400     400           400
oauth_introspect            POST 400    400   400      400        400         400      400     400           400
oauth_authorize             GET  400    400   400      400        400         400      400     400           400
oauth_resource_metadata     GET  200    200   200      200        200         200      200     200           200
oauth_named_resource_metadata GET 200   200   200      200        200         200      200     200           200
oauth_key_set               GET  200    200   200      200        200         200      200     200           200
oauth_metadata              GET  200    200   200      200        200         200      200     200           200
proposals:tools             GET  401    200   401      401        401         401      401     401           401
proposals:tool              GET  401    200   401      401        401         401      401     401           401
proposals:tool-read         POST 401    200   401      401        401         401      401     401           401
proposals:read              GET  401    200   401      401        401         401      401     401           401
proposals:proposals         GET  401    200   401      401        401         401      401     401           401
proposals:proposals         POST 401    202   401      401        401         401      401     401           401
proposals:proposal-batch    POST 401    200   401      401        401         401      401     401           401
proposals:proposal          GET  401    200   401      401        401         401      401     401           401
proposals:proposal-withdraw POST 401    200   401      401        401         401      401     401           401
proposals:schema            GET  200    200   200      200        200         200      200     200           200
proposals:docs              GET  200    200   200      200        200         200      200     200           200

# The people's doors: a token opens none of them.
approvals:inbox             GET  login  login 200      200        200         200      200     200           200
approvals:proposals         GET  login  login 200      200        200         200      200     200           200
approvals:proposal          GET  login  login 200      200        200         200      200     200           404
approvals:progress          GET  login  login 200      200        200         200      200     200           404
approvals:decide            POST login  login 422      403        403         403      403     403           404
approvals:decide            GET  login  login 302      403        403         403      403     403           302
approvals:sign              POST login  login 422      403        403         403      403     403           404
approvals:comment           POST login  login 422      422        422         422      403     403           404
approvals:attach            POST login  login 422      422        422         422      403     403           404
approvals:attachment        GET  login  login 404      404        404         404      404     404           404
approvals:as_shown          GET  login  login 404      404        404         404      404     404           404
approvals:second_factor     GET  login  login 200      200        200         200      200     200           200
approvals:claim             POST login  login 303      403        403         403      403     403           404
approvals:forward           POST login  login 422      403        403         403      403     403           404
approvals:give_back         POST login  login 409      403        403         403      403     403           404
approvals:snooze            POST login  login 422      403        403         403      403     403           404
approvals:wake_up           POST login  login 409      403        403         403      403     403           404
approvals:read              GET  login  login 404      404        404         404      404     404           404
approvals:delegations       GET  login  login 200      403        403         403      403     403           200
approvals:delegations       POST login  login 422      403        403         403      403     403           422
approvals:end_delegation    POST login  login 404      403        403         403      403     403           404
approvals:calendars         GET  login  login 200      200        200         200      200     200           200
approvals:calendar          GET  login  login 200      200        200         200      200     200           404
approvals:write_calendar    POST login  login 403      422        403         403      403     403           404
approvals:notifications     GET  login  login 200      403        403         403      403     403           200
approvals:notifications     POST login  login 303      403        403         403      403     403           303
approvals:mails             GET  login  login 403      403        403         200      403     403           200
approvals:bulk              POST login  login 422      403        403         403      403     403           422
approvals:bulk_set          GET  login  login 404      403        403         403      403     403           404
approvals:confirm_bulk      POST login  login 404      403        403         403      403     403           404
approvals:sign_bulk         POST login  login 404      403        403         403      403     403           404
approvals:reviews           GET  login  login 200      403        403         403      403     403           200
approvals:review            GET  login  login 404      403        403         403      403     403           404
approvals:review            POST login  login 404      403        403         403      403     403           404
approvals:oversight         GET  login  login 403      200        403         403      200     403           200
approvals:policies          GET  login  login 200      200        200         200      200     200           200
approvals:policy            GET  login  login 200      200        200         200      200     200           200
approvals:submit_policy     POST login  login 403      409        403         403      403     403           409
approvals:activate_policy   POST login  login 403      409        403         403      403     403           409
approvals:new_policy        GET  login  login 403      200        403         403      403     403           200
approvals:new_policy        POST login  login 403      422        403         403      403     403           422
approvals:return_policy     POST login  login 403      409        403         403      403     403           409
approvals:rename_policy     POST login  login 403      409        403         403      403     403           409
approvals:renumber_policy   POST login  login 403      409        403         403      403     403           409
approvals:remove_row        POST login  login 403      409        403         403      403     403           409
approvals:move_row          POST login  login 403      409        403         403      403     403           409
approvals:new_row           GET  login  login 403      409        403         403      403     403           409
approvals:new_row           POST login  login 403      409        403         403      403     403           409
approvals:edit_row          GET  login  login 403      409        403         403      403     403           409
approvals:edit_row          POST login  login 403      409        403         403      403     403           409
approvals:import_policy     GET  login  login 403      409        403         403      403     403           409
approvals:import_policy     POST login  login 403      409        403         403      403     403           409
approvals:export_policy     GET  login  login 200      200        200         200      200     200           200
approvals:check_policy      GET  login  login 200      200        200         200      200     200           200
approvals:try_policy        GET  login  login 200      200        200         200      200     200           200
approvals:compare_policy    GET  login  login 200      200        200         200      200     200           200
approvals:backtest_policy   GET  login  login 200      200        200         200      200     200           200
approvals:in_flight         GET  login  login 200      200        200         200      200     200           200
approvals:currencies        GET  login  login 200      200        200         200      200     200           200
approvals:record_currency   POST login  login 403      422        403         403      403     403           422
approvals:proposal_segregation GET  login  login 200      200        200         200      200     200           404
approvals:agent_segregation GET  login  login 200      200        200         200      200     200           404
identity:agents             GET  login  login 200      200        200         200      200     200           200
identity:agent              GET  login  login 200      200        200         200      200     200           404
identity:new_agent          GET  login  login 403      403        200         403      403     200           200
identity:new_agent          POST login  login 403      403        422         403      403     422           422
identity:start              GET  login  login 403      403        200         403      403     200           404
identity:sample             GET  login  login 403      403        200         403      403     200           404
identity:history            GET  login  login 200      200        200         200      200     200           404
identity:edit               GET  login  login 403      403        200         403      403     200           404
identity:edit               POST login  login 403      403        422         403      403     422           404
identity:tokens             GET  login  login 403      403        200         403      403     200           404
identity:tokens             POST login  login 403      403        422         403      403     422           404
identity:renew              GET  login  login 403      403        200         403      403     200           404
identity:renew              POST login  login 403      403        422         403      403     422           404
identity:new_key            GET  login  login 403      403        200         403      403     200           404
identity:new_key            POST login  login 403      403        422         403      403     422           404
identity:new_grant          GET  login  login 403      403        200         403      403     200           404
identity:new_grant          POST login  login 403      403        422         403      403     422           404
identity:activate           POST login  login 403      403        409         403      403     409           404
identity:suspend            GET  login  login 403      403        200         403      403     200           404
identity:suspend            POST login  login 403      403        422         403      403     422           404
identity:resume             GET  login  login 403      403        200         403      403     200           404
identity:resume             POST login  login 403      403        409         403      403     409           404
identity:decommission       GET  login  login 403      403        200         403      403     200           404
identity:decommission       POST login  login 403      403        422         403      403     422           404
identity:activate_grant     POST login  login 403      403        409         403      403     409           404
identity:revoke_grant       POST login  login 403      403        303         403      403     303           404
identity:revoke_key         POST login  login 403      403        303         403      403     303           404
identity:new_federated      GET  login  login 403      403        200         403      403     200           404
identity:new_federated      POST login  login 403      403        422         403      403     422           404
identity:revoke_federated   POST login  login 403      403        303         403      403     303           404
identity:issuers            GET  login  login 200      200        200         200      200     200           200
identity:new_issuer         GET  login  login 403      200        403         403      403     200           200
identity:new_issuer         POST login  login 403      422        403         403      403     422           422
identity:activate_issuer    POST login  login 403      303        403         403      403     303           404
identity:suspend_issuer     POST login  login 403      303        403         403      403     303           404
webhooks:page               GET  login  login 200      200        200         200      200     200           404
webhooks:set                POST login  login 403      403        422         403      403     422           404
webhooks:rotate             POST login  login 403      403        409         403      403     409           404
webhooks:off                POST login  login 403      403        409         403      403     409           404
webhooks:on                 POST login  login 403      403        409         403      403     409           404
webhooks:test               POST login  login 403      403        409         403      403     409           404
identity:tools              GET  login  login 200      200        200         200      200     200           200
identity:tool               GET  login  login 200      200        200         200      200     200           200
commits:list                GET  login  login 200      200        200         200      200     200           200
commits:of_proposal         GET  login  login 302      302        302         302      302     302           404
commits:detail              GET  login  login 200      200        200         200      200     200           404
commits:retry               POST login  login 403      403        403         409      403     403           404
commits:resolve             POST login  login 403      403        403         422      403     403           404
commits:connections         GET  login  login 200      200        200         200      200     200           200
commits:connection          GET  login  login 200      200        200         200      200     200           200
commits:switch_fault        POST login  login 403      403        403         409      403     403           409
reconciliation:runs         GET  login  login 403      200        403         200      200     403           200
reconciliation:run          GET  login  login 403      200        403         200      200     403           404
reconciliation:run_now      POST login  login 403      403        403         303      403     403           404
reconciliation:breaks       GET  login  login 403      200        403         200      200     403           200
reconciliation:break        GET  login  login 403      200        403         200      200     403           404
reconciliation:explain      POST login  login 403      403        403         422      403     403           404
reconciliation:write_off    POST login  login 403      403        403         422      403     403           404
reconciliation:compensate   POST login  login 403      403        403         303      403     403           404
reconciliation:second       POST login  login 403      403        403         409      403     403           404
reconciliation:decline      POST login  login 403      403        403         422      403     403           404
reconciliation:recommit     POST login  login 403      403        403         409      403     403           404
reconciliation:take         POST login  login 403      403        403         303      403     403           404
reconciliation:release      POST login  login 403      403        403         303      403     403           404
reconciliation:export       POST login  login 403      200        403         200      200     403           200
approvals:thresholds        GET  login  login 200      200        200         200      200     200           200
approvals:propose_thresholds POST login  login 403      422        403         403      403     403           422
approvals:activate_thresholds POST login  login 403      404        403         403      403     403           404
desk:home                   GET  login  login 403      200        403         403      200     200           200
desk:search                 GET  login  login 403      200        403         403      200     200           200
desk:tie_out                GET  login  login 403      200        403         403      200     200           200
desk:controls               GET  login  login 403      200        403         403      200     200           200
desk:export_controls        POST login  login 403      200        403         403      200     403           200
desk:access                 GET  login  login 403      200        403         403      200     200           200
desk:rule_runs              GET  login  login 403      200        403         403      200     200           200
desk:run_rules              POST login  login 403      303        403         403      303     403           303
desk:rule_run               GET  login  login 403      200        403         403      200     200           404
desk:export_hits            POST login  login 403      200        403         403      200     403           404
desk:samples                GET  login  login 403      200        403         403      200     200           200
desk:draw                   POST login  login 403      422        403         403      422     403           422
desk:sample                 GET  login  login 403      200        403         403      200     200           404
desk:export_sample          POST login  login 403      200        403         403      200     403           404
retention:home              GET  login  login 403      200        403         403      200     200           200
retention:set-rule          POST login  login 403      422        403         403      403     422           422
retention:place-hold        POST login  login 403      422        403         403      403     422           422
retention:release-hold      POST login  login 403      422        403         403      403     422           422
retention:list-expired      POST login  login 403      409        403         403      403     409           409
retention:list-erasure      POST login  login 403      422        403         403      403     422           422
retention:list              GET  login  login 403      200        403         403      200     200           404
retention:approve           POST login  login 403      409        403         403      403     409           409
retention:decline           POST login  login 403      422        403         403      403     422           422
retention:certificate       GET  login  login 403      404        403         403      404     404           404
audit:log                   GET  login  login 403      200        403         403      200     200           200
audit:event                 GET  login  login 403      200        403         403      200     200           404
audit:proposal              GET  login  login 403      200        403         403      200     200           404
audit:inclusion             POST login  login 403      409        403         403      409     403           404
audit:bundle                POST login  login 403      303        403         403      303     403           404
evidence:bundles            GET  login  login 403      200        403         403      200     403           200
evidence:request_period     POST login  login 403      422        403         403      422     403           422
evidence:progress           GET  login  login 403      200        403         403      200     403           404
evidence:download           POST login  login 403      409        403         403      409     403           404
"""

# Which of Django's admin pages an administrator may open; everything else there is refused to everybody.
ADMINISTERED = frozenset(
    {
        "auth_user",
        "identity_roleassignment",
        "identity_approvalgroup",
        "identity_approvalgroupmember",
        "identity_agent",
        "identity_credential",
        "identity_grant",
        "identity_historicalagent",
        "identity_historicalcredential",
        "identity_historicalgrant",
        "identity_historicalroleassignment",
        "identity_historicalapprovalgroupmember",
    }
)
# Pages there that change something: by a service of identity, which checks and records, or (accounts) recorded by one.
ADDED = frozenset({"auth_user", "identity_roleassignment", "identity_approvalgroup", "identity_approvalgroupmember"})
BY_SERVICE = frozenset({("identity_roleassignment", "delete"), ("identity_approvalgroupmember", "delete"), ("auth_user", "change")})
CLOSED = frozenset(
    {"account_emailaddress", "mfa_authenticator", "django_q_schedule", "django_q_success", "django_q_failure", "django_q_ormq"}
)


@dataclass(frozen=True, slots=True)
class Row:
    """One address and method: what each caller gets."""

    route: str
    method: str
    cells: dict[str, str]

    def __str__(self) -> str:
        """Return the name under which the test runs."""
        return f"{self.method} {self.route}"


def rows() -> Iterator[Row]:
    """Yield the lines of the table, and after them what it says by leaving a method out."""
    found = [Row(route, method, dict(zip(COLUMNS, cells, strict=True))) for route, method, *cells in _lines()]
    yield from found
    listed = {(row.route, row.method) for row in found}
    for route in dict.fromkeys(row.route for row in found):
        for method in METHODS:
            if (route, method) not in listed:
                yield Row(route, method, dict.fromkeys(COLUMNS, "405") | _strangers(route))


def _lines() -> Iterator[list[str]]:
    for line in TABLE.splitlines():
        if line and not line.startswith("#"):
            yield line.split()


def _strangers(route: str) -> dict[str, str]:
    """Return what callers without a token get at an address of the API, whatever they want there."""
    is_for_agents = route.startswith("proposals:") and route not in {"proposals:schema", "proposals:docs"}
    return {column: "401" for column in COLUMNS if column != "agent"} if is_for_agents else {}
