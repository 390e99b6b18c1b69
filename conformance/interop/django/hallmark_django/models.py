from django.db import models
from django.utils import timezone


class Change(models.Model):
    """A change that Hallmark is to be told of. It says whose; what is sent is what they are by then.

    Rows are only added, so that no transaction of the site waits for another,
    or for the sender.
    """

    USER, GROUP = "user", "group"

    kind = models.CharField(max_length=8)
    key = models.CharField(max_length=255)  # a user's foreign id, or the pk of a group: its members
    made = models.DateTimeField(default=timezone.now)
    due = models.DateTimeField(default=timezone.now, db_index=True)
    attempts = models.PositiveIntegerField(default=0)  # that were refused
    error = models.TextField(blank=True, default="")  # why

    class Meta:
        indexes = [models.Index(fields=["kind", "key"], name="hallmark_change_key")]


class Lease(models.Model):
    """Who sends: one process at a time, so that an old state never overtakes a new one."""

    holder = models.CharField(max_length=64, blank=True, default="")
    until = models.DateTimeField(default=timezone.now)
