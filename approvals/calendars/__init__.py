"""Business calendars: when the steps of a route are due, and what happens when nobody decides in time."""
