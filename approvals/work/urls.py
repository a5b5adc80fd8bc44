"""Addresses around a decision: in whose hands, delegations, calendars, mail, bulk, oversight."""

from __future__ import annotations

from django.urls import path

from approvals.bulk import views as bulk
from approvals.calendars import views as calendars
from approvals.delegation import views as delegation
from approvals.mail import views as mail
from approvals.oversight import views as oversight
from approvals.work import views

urlpatterns = [
    path("proposals/<str:proposal_id>/claim/", views.claim, name="claim"),
    path("proposals/<str:proposal_id>/forward/", views.forward, name="forward"),
    path("proposals/<str:proposal_id>/return/", views.give_back, name="give_back"),
    path("proposals/<str:proposal_id>/snooze/", views.snooze, name="snooze"),
    path("proposals/<str:proposal_id>/wake/", views.wake_up, name="wake_up"),
    path("proposals/<str:proposal_id>/reads/<str:read_id>/", oversight.read, name="read"),
    path("delegations/", delegation.delegations, name="delegations"),
    path("delegations/<str:delegation_id>/end/", delegation.end, name="end_delegation"),
    path("calendars/", calendars.calendars, name="calendars"),
    path("calendars/<str:company>/", calendars.calendar, name="calendar"),
    path("calendars/<str:company>/write/", calendars.write, name="write_calendar"),
    path("notifications/", mail.notifications, name="notifications"),
    path("mails/", mail.mails, name="mails"),
    path("bulk/", bulk.prepare, name="bulk"),
    path("bulk/<str:bulk_id>/", bulk.bulk_set, name="bulk_set"),
    path("bulk/<str:bulk_id>/confirm/", bulk.confirm, name="confirm_bulk"),
    path("bulk/<str:bulk_id>/sign/", bulk.sign, name="sign_bulk"),
    path("reviews/", oversight.reviews, name="reviews"),
    path("reviews/<str:review_id>/", oversight.review, name="review"),
    path("oversight/", oversight.oversight, name="oversight"),
]
