"""Sending what is in the outbox: in a thread of the site's processes, or by `manage.py hallmark_sync`.

One process sends at a time, in the order of the changes, and sends what a user
is by then: several changes become one, and a repeated one does no harm.
"""
import dataclasses
import logging
import os
import threading
import time
import uuid
from datetime import timedelta

from django.contrib.auth import get_user_model
from django.core.exceptions import ImproperlyConfigured, ValidationError
from django.db import DatabaseError, connections
from django.utils import timezone

from . import client, conf, mapping
from .models import Change, Lease

log = logging.getLogger("hallmark_django")

LEASE, RENEW = timedelta(seconds=30), timedelta(seconds=10)  # who is killed holds others up for so long
SOON, LATE = timedelta(seconds=2), timedelta(hours=1)  # between attempts that are refused
PATIENCE = 10  # seconds at most between attempts while Hallmark is away


@dataclasses.dataclass
class Report:
    sent: int = 0
    away: str = ""  # why nothing can be sent
    busy: bool = False  # another process sends


class Outbox:
    """One process's hold on the outbox of a database."""

    def __init__(self, using):
        self.using, self.me, self.until = using, uuid.uuid4().hex, timezone.now()
        self.changes, self.leases = Change.objects.using(using), Lease.objects.using(using)

    def hold(self):
        """Take or renew the lease: whether it is ours."""
        now = timezone.now()
        if now < self.until - LEASE + RENEW:
            return True
        mine = {"holder": self.me, "until": now + LEASE}
        ours = bool(
            self.leases.filter(pk=1, holder=self.me, until__gt=now).update(**mine)
            or self.leases.filter(pk=1, until__lte=now).update(**mine)
            or self.leases.get_or_create(pk=1, defaults=mine)[1]
        )
        self.until = mine["until"] if ours else now
        return ours

    def release(self):
        self.until = timezone.now()
        self.leases.filter(pk=1, holder=self.me).update(until=self.until)

    def send(self, everything=False):
        """Send what is due, or everything."""
        report, config, last = Report(), conf.load(), 0
        if not self.hold():
            report.busy = True
            return report
        try:
            operators = client.Operators(config)
            while True:
                due = self.changes.filter(pk__gt=last) if everything else self.changes.filter(due__lte=timezone.now())
                change = due.order_by("pk").first()
                if change is None:
                    return report
                if not self.hold():
                    report.busy = True
                    return report
                last = change.pk
                report.sent += self.expand(change, config) if change.kind == Change.GROUP else self.one(change, operators, config)
        except (client.Away, ImproperlyConfigured, OSError) as e:
            report.away = str(e)
            return report
        finally:
            self.release()

    def one(self, change, operators, config):
        """Send one user. The changes are looked up before the user, so that a later one stays."""
        ids = list(self.changes.filter(kind=Change.USER, key=change.key).values_list("pk", flat=True))
        try:
            push(change.key, operators, config, self.using)
        except (client.Away, ImproperlyConfigured, OSError, DatabaseError):
            raise
        except Exception as e:  # of this user: it must not hold up the others
            attempts = change.attempts + 1
            due = timezone.now() + min(SOON * 4 ** min(attempts - 1, 8), LATE)
            self.changes.filter(pk=change.pk).update(attempts=attempts, error=str(e) or type(e).__name__, due=due)
            self.changes.filter(pk__in=ids).exclude(pk=change.pk).delete()
            log.warning("user %s is refused, and tried again at %s: %s", change.key, due, e)
            return 0
        if timezone.now() > self.until:  # whoever holds it now may have sent a newer state before ours arrived
            self.changes.create(kind=Change.USER, key=change.key)
        self.changes.filter(pk__in=ids).delete()
        return 1

    def expand(self, change, config):
        """Put a group's members into the outbox."""
        from .outbox import add_users
        model = get_user_model()
        if mapping.linked(model, "groups", mapping.Group):
            add_users(model._base_manager.using(self.using).filter(groups=change.key), wake=False)
        self.changes.filter(pk=change.pk).delete()
        return 0


def push(foreign_id, operators, config, using):
    try:
        user = get_user_model()._base_manager.using(using).filter(**{config.id_field: foreign_id}).first()
    except (ValueError, ValidationError):  # an id of another model, from before
        user = None
    if user is None:
        return operators.remove(foreign_id)
    body, claims, drop = mapping.body(user, config)
    try:
        put(operators, foreign_id, body, claims, drop)
    except client.Refused:
        # Whatever is wrong with the rest: who was disabled, or changed a stolen password, must not wait for it.
        safe = {name: body[name] for name in ("disabled", "password_hash") if name in body}
        put(operators, foreign_id, safe)
        raise


def put(operators, foreign_id, body, *extra):
    """Send a user whole, or what is to change of one. A refused hash becomes no password."""
    def send(body):
        operators.put(foreign_id, body, *extra) if extra else operators.change(foreign_id, body)
    try:
        send(body)
    except client.Refused as e:
        if "password_hash" not in e.fields:
            raise
        # The old password must not go on signing in, and everything else must arrive.
        send({**body, "password_hash": "!"})
        log.warning("user %s has no password at Hallmark until one of another hash is set: %s", foreign_id, e)


_lock, _threads = threading.Lock(), {}


def _forked():
    global _lock
    _lock = threading.Lock()  # somebody else may have held it
    _threads.clear()


os.register_at_fork(after_in_child=_forked)


def wake(using):
    """Have a thread of this process send. It never raises: the site's request is done already."""
    try:
        config = conf.load()
        if not (config.thread and config.operators_url):
            return
        with _lock:
            if using not in _threads:
                _threads[using] = Sender(using)
                _threads[using].start()
            _threads[using].news.set()
    except Exception:
        _threads.pop(using, None)
        log.exception("the changes wait for `manage.py hallmark_sync`")


class Sender(threading.Thread):
    """Sends until there is nothing left, and then ends."""

    def __init__(self, using):
        super().__init__(name="hallmark-sender", daemon=True)
        self.using, self.news = using, threading.Event()

    def run(self):
        outbox, delay, last = Outbox(self.using), 0.5, ""
        while True:
            self.news.clear()
            try:
                report = outbox.send()
                left = outbox.changes.order_by("due").values_list("due", flat=True).first()
            except Exception as e:  # of the database, most likely
                report, left = Report(away=f"{type(e).__name__}: {e}"), timezone.now()
            finally:
                connections[self.using].close()
            if report.away:
                if report.away != last:
                    log.warning("changes of users wait: %s", report.away)
                last = report.away
                time.sleep(delay)
                delay = min(2 * delay, PATIENCE)
                continue
            if last:
                log.info("changes of users are sent again")
            delay, last = 0.5, ""
            if report.busy:
                self.news.wait(delay)
            elif left is not None:
                self.news.wait(max(0.1, min(60, (left - timezone.now()).total_seconds())))
            elif not self.news.wait(5) and self.done():
                return

    def done(self):
        with _lock:
            if self.news.is_set():
                return False
            _threads.pop(self.using, None)
            return True
