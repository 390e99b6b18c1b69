"""SQLite whose transactions begin as writers: what Django 5.1 has as transaction_mode.

Otherwise one that has read cannot write once another writer waits for it, and
fails at once with "database is locked".
"""
from django.db.backends.sqlite3 import base


class DatabaseWrapper(base.DatabaseWrapper):
    def _start_transaction_under_autocommit(self):
        self.cursor().execute("BEGIN IMMEDIATE")
