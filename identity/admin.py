"""Django's admin pages: people, roles and approval groups through the services; agents, keys, grants and history to read only.

Rights come from our roles, as everywhere: Django's superuser flag opens nothing here. `is_staff`, which Django's admin asks for
at its door, follows the role administrator.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from allauth.socialaccount.models import SocialAccount, SocialApp, SocialToken
from django.contrib import admin, messages
from django.contrib.auth.admin import UserAdmin
from django.contrib.auth.models import Group, User
from django.db.models import Model, QuerySet
from django.forms import ModelForm
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.utils.text import capfirst

from identity import services
from identity.actors import actor_of
from identity.models import Agent, ApprovalGroup, ApprovalGroupMember, Credential, Grant, Role, RoleAssignment
from identity.permissions import Permission, has_permission
from identity.queries import visible_agents
from kernel.clock import now
from kernel.errors import DomainError

if TYPE_CHECKING:
    ModelAdmin = admin.ModelAdmin[Any]
    PeopleAdmin = UserAdmin[User]
else:
    ModelAdmin = admin.ModelAdmin
    PeopleAdmin = UserAdmin


class ReadOnly(ModelAdmin):
    """Pages that show rows and change nothing; what they show is changed on the console, through the services."""

    actions = None
    permission = Permission.AGENT_READ

    def has_module_permission(self, request: HttpRequest) -> bool:
        """Return whether the person may read these rows."""
        return has_permission(request.user, self.permission)

    def has_view_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        """Return whether the person may read these rows."""
        return has_permission(request.user, self.permission)

    def has_add_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        """Return False."""
        return False

    def has_change_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        """Return False."""
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        """Return False."""
        return False


class ByService(ReadOnly):
    """Pages whose rows are added and taken away by a service, which checks, records and refuses by itself.

    Django's own transaction around the page is left out: a service brings its own, and records a refusal after that one.
    """

    permission = Permission.USER_MANAGE

    def has_add_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        """Return whether the person manages people."""
        return has_permission(request.user, self.permission)

    def changeform_view(
        self, request: HttpRequest, object_id: str | None = None, form_url: str = "", extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        """Show or save the form; a refusal becomes a message."""
        try:
            answer: HttpResponse = self._changeform_view(request, object_id, form_url, extra_context)  # type: ignore[attr-defined]
        except DomainError as error:
            return _refused(request, error)
        return answer

    def delete_view(self, request: HttpRequest, object_id: str, extra_context: dict[str, Any] | None = None) -> HttpResponse:
        """Ask, then take the row away; a refusal becomes a message."""
        try:
            answer: HttpResponse = self._delete_view(request, object_id, extra_context)  # type: ignore[attr-defined]
        except DomainError as error:
            return _refused(request, error)
        return answer


class PersonAdmin(PeopleAdmin):
    """People's accounts; what they may do is a matter of roles."""

    actions = None
    fieldsets = (
        (None, {"fields": ("username", "password")}),
        ("Person", {"fields": ("first_name", "last_name", "email")}),
        ("Account", {"fields": ("is_active", "last_login", "date_joined")}),
    )
    add_fieldsets = ((None, {"classes": ("wide",), "fields": ("username", "email", "usable_password", "password1", "password2")}),)
    readonly_fields = ("last_login", "date_joined")
    list_display = ("username", "first_name", "last_name", "email", "is_active")
    list_filter = ("is_active",)
    filter_horizontal = ()

    def has_module_permission(self, request: HttpRequest) -> bool:
        """Return whether the person manages people."""
        return has_permission(request.user, Permission.USER_MANAGE)

    def has_view_permission(self, request: HttpRequest, obj: User | None = None) -> bool:
        """Return whether the person manages people."""
        return has_permission(request.user, Permission.USER_MANAGE)

    def has_add_permission(self, request: HttpRequest, obj: User | None = None) -> bool:
        """Return whether the person manages people."""
        return has_permission(request.user, Permission.USER_MANAGE)

    def has_change_permission(self, request: HttpRequest, obj: User | None = None) -> bool:
        """Return whether the person manages people."""
        return has_permission(request.user, Permission.USER_MANAGE)

    def has_delete_permission(self, request: HttpRequest, obj: User | None = None) -> bool:
        """Return False: an account is closed by making it inactive, because events name it for ever."""
        return False

    def log_addition(self, request: HttpRequest, obj: User, message: Any) -> Any:
        """Record the new account in the audit log, too."""
        _record_account(request, obj, message, is_new=True)
        return super().log_addition(request, obj, message)

    def log_change(self, request: HttpRequest, obj: User, message: Any) -> Any:
        """Record the changed account in the audit log, too; a changed password comes this way as well."""
        _record_account(request, obj, message, is_new=False)
        return super().log_change(request, obj, message)


class RoleAssignmentAdmin(ByService):
    """Who has which role in which companies."""

    list_display = ("user", "role", "companies", "expires_on")
    list_filter = ("role",)
    fields = ("user", "role", "companies", "expires_on")

    def has_delete_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        """Return whether the person manages people."""
        return has_permission(request.user, self.permission)

    def save_model(self, request: HttpRequest, obj: RoleAssignment, form: ModelForm[Any], change: bool) -> None:
        """Give the role through the service."""
        assigned = services.assign_role(
            user_id=obj.user_id,
            role=Role(obj.role),
            companies=list(obj.companies),
            expires_on=obj.expires_on,
            actor=actor_of(request),
            now=now(),
        )
        obj.pk, obj.created_at = assigned.pk, assigned.created_at

    def delete_model(self, request: HttpRequest, obj: RoleAssignment) -> None:
        """Take the role through the service."""
        services.revoke_role(user_id=obj.user_id, role=Role(obj.role), actor=actor_of(request), now=now())


class ApprovalGroupAdmin(ByService):
    """The approval groups."""

    list_display = ("code", "title")
    fields = ("code", "title")

    def save_model(self, request: HttpRequest, obj: ApprovalGroup, form: ModelForm[Any], change: bool) -> None:
        """Create the group through the service."""
        obj.pk = services.create_group(code=obj.code, title=obj.title, actor=actor_of(request), now=now()).pk


class ApprovalGroupMemberAdmin(ByService):
    """Who is in which approval group, where and up to which amount."""

    list_display = ("group", "user", "companies", "limit_minor", "limit_currency")
    list_filter = ("group",)
    fields = ("group", "user", "companies", "limit_minor", "limit_currency")

    def has_delete_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        """Return whether the person manages people."""
        return has_permission(request.user, self.permission)

    def save_model(self, request: HttpRequest, obj: ApprovalGroupMember, form: ModelForm[Any], change: bool) -> None:
        """Add the member through the service."""
        obj.pk = services.add_group_member(
            group_code=obj.group.code,
            user_id=obj.user_id,
            companies=list(obj.companies),
            limit_minor=obj.limit_minor,
            limit_currency=obj.limit_currency,
            actor=actor_of(request),
            now=now(),
        ).pk

    def delete_model(self, request: HttpRequest, obj: ApprovalGroupMember) -> None:
        """Take the member out through the service."""
        services.remove_group_member(group_code=obj.group.code, user_id=obj.user_id, actor=actor_of(request), now=now())


class OfAgents(ReadOnly):
    """Rows that belong to agents: only those of agents the person may know of."""

    agent_field = "agent_id"

    def get_queryset(self, request: HttpRequest) -> QuerySet[Any]:
        """Return the rows of the agents that the person may know of."""
        visible = visible_agents(request.user).order_by().values("pk")
        return super().get_queryset(request).filter(**{f"{self.agent_field}__in": visible})


class AgentAdmin(OfAgents):
    """Agents."""

    agent_field = "pk"
    list_display = ("name", "state", "owner", "companies", "expires_on")
    list_filter = ("state",)


class CredentialAdmin(OfAgents):
    """Agents' public keys."""

    list_display = ("agent", "algorithm", "thumbprint", "not_after", "revoked_at", "last_used_at")


class GrantAdmin(OfAgents):
    """Agents' grants."""

    list_display = ("agent", "tool", "state", "companies", "ceiling_minor", "currency", "valid_until")
    list_filter = ("state", "tool")


class HistoryAdmin(ReadOnly):
    """What a row was before, and who changed it."""

    list_display = ("history_date", "history_type", "history_user", "__str__")

    def get_queryset(self, request: HttpRequest) -> QuerySet[Any]:
        """Return the newest first."""
        return super().get_queryset(request).select_related("history_user").order_by("-history_date")


class AgentHistoryAdmin(OfAgents, HistoryAdmin):
    """What an agent was before, and who changed it."""

    agent_field = "id"


class BelongingHistoryAdmin(OfAgents, HistoryAdmin):
    """What a key or a grant was before, and who changed it."""


def _record_account(request: HttpRequest, person: User, message: Any, *, is_new: bool) -> None:
    fields = ["password"]
    if isinstance(message, list):
        # The administration names fields by their labels; the log names them by their names.
        names = {capfirst(field.verbose_name): field.name for field in User._meta.concrete_fields}
        labels = [label for part in message for change in part.values() for label in change.get("fields", [])]
        fields = [names.get(label, label.lower().replace(" ", "_")) for label in labels]
    services.record_account_change(user_id=person.pk, is_new=is_new, fields=fields, actor=actor_of(request), now=now())


def _refused(request: HttpRequest, error: DomainError) -> HttpResponse:
    messages.error(request, f"{error.title}. {error.detail}")
    return HttpResponseRedirect(request.get_full_path())


# A provider entered here would sign in anybody as anybody, and an identity typed in here would be somebody's way in.
for model in (SocialApp, SocialAccount, SocialToken):
    admin.site.unregister(model)
admin.site.unregister(User)
admin.site.unregister(Group)  # Django's groups grant nothing here, so nobody should look for rights in them
admin.site.register(User, PersonAdmin)
admin.site.register(RoleAssignment, RoleAssignmentAdmin)
admin.site.register(ApprovalGroup, ApprovalGroupAdmin)
admin.site.register(ApprovalGroupMember, ApprovalGroupMemberAdmin)
admin.site.register(Agent, AgentAdmin)
admin.site.register(Credential, CredentialAdmin)
admin.site.register(Grant, GrantAdmin)
for tracked, page in (
    (Agent, AgentHistoryAdmin),
    (Credential, BelongingHistoryAdmin),
    (Grant, BelongingHistoryAdmin),
    (RoleAssignment, HistoryAdmin),
    (ApprovalGroupMember, HistoryAdmin),
):
    admin.site.register(tracked.history.model, page)
