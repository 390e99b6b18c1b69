import time

from django.contrib.auth import get_user_model
from django.core.management.base import BaseCommand, CommandError
from django.db import router

from hallmark_django import conf, outbox
from hallmark_django.sender import LEASE, Outbox


class Command(BaseCommand):
    help = "Send to Hallmark what has changed of users and waits, also what was refused before."

    def add_arguments(self, parser):
        parser.add_argument("--all", action="store_true", help="all users, changed or not: after changes that send no signals")
        parser.add_argument("--follow", action="store_true", help="go on, and send changes as they come, until interrupted")

    def handle(self, *args, **options):
        if not conf.load().operators_url:
            raise CommandError("HALLMARK has no OPERATORS_URL")
        model = get_user_model()
        box = Outbox(router.db_for_write(model))
        if options["all"]:
            outbox.add_users(model._base_manager.using(box.using).all(), wake=False)
        if options["follow"]:
            return self.follow(box)
        report, patience = box.send(everything=True), time.monotonic() + 2 * LEASE.total_seconds()
        while report.busy and time.monotonic() < patience:
            time.sleep(0.2)
            report = box.send(everything=True)
        self.stdout.write(f"sent: {report.sent}")
        for change in box.changes.exclude(error="").order_by("pk")[:100]:
            self.stdout.write(f"refused: {change.key}: {change.error}")
        waiting = box.changes.count()
        if report.away or report.busy or waiting:
            why = report.away or ("another process sends" if report.busy else "the reasons are above")
            raise CommandError(f"changes that wait: {waiting}: {why}")

    def follow(self, box):
        last = ""
        while True:
            report = box.send()
            if report.away and report.away != last:
                self.stderr.write(report.away)
            last = report.away
            time.sleep(1)
