"""Taking Hallmark's access tokens beside those that Simple JWT made here before.

    SIMPLE_JWT["AUTH_TOKEN_CLASSES"] = ["hallmark_django.tokens.HallmarkToken", "hallmark_django.tokens.OldToken"]
"""
import functools
import http.client
import json
import logging
import threading
import time
import urllib.request
from datetime import datetime, timezone

import jwt
from django.core.exceptions import ImproperlyConfigured
from rest_framework_simplejwt.backends import TokenBackend
from rest_framework_simplejwt.exceptions import TokenError
from rest_framework_simplejwt.settings import api_settings
from rest_framework_simplejwt.tokens import AccessToken

from . import conf
from .client import NoRedirect

log = logging.getLogger("hallmark_django")


def header(token):
    try:
        return jwt.get_unverified_header(token)
    except jwt.InvalidTokenError:
        raise TokenError("Token is invalid or expired")


class Keys:
    """The published keys, as a TokenBackend asks for them.

    They are fetched anew at half their age, and for an unknown kid, but not all
    the time; while the issuer is away, the last ones stay good for a while.

    One request fetches, and holds no lock meanwhile. Others go on with the keys
    that there are. Where those are too old or lack the kid they wait for the
    fetch, no longer than it may take, and for a second at most where the last one failed.
    """

    PAUSE, OUTAGE, MAX_ANSWER = 10, 3600, 1 << 20  # seconds, seconds, bytes
    STUCK = 60  # seconds, after which a fetch is given up: it may have been another process's, before a fork

    def __init__(self, config):
        self.url = config.jwk_url or config.issuer + "/.well-known/jwks.json"
        self.algorithm = config.algorithm
        self.max_age, self.timeout = config.keys_max_age, config.timeout
        self.opener = urllib.request.build_opener(NoRedirect)  # keys are the issuer's, and nobody else's
        self.lock, self.keys, self.flight = threading.Lock(), {}, None
        self.fetched = self.tried = self.failed = float("-inf")

    def get_signing_key_from_jwt(self, token):
        kid, now = header(token).get("kid"), time.monotonic()
        flight, ours = self.board(kid, now)
        if ours:
            self.fetch(flight, now)
        elif flight:
            patience = self.timeout if now - self.failed > self.STUCK else min(self.timeout, 1)
            flight.wait(max(0, self.tried + patience - now))
        with self.lock:
            over = time.monotonic() - self.fetched > self.max_age + self.OUTAGE
            key = None if over else self.keys.get(kid)
        if key is None:
            raise jwt.PyJWKClientError("unknown kid")
        return key

    def board(self, kid, now):
        """The fetch to wait for, if there is one, and whether it is the caller's to do."""
        with self.lock:
            age, known = now - self.fetched, kid in self.keys
            flying = self.flight is not None and now - self.tried < self.STUCK
            if flying:
                return (self.flight if age > self.max_age or not known else None), False
            if (age > self.max_age / 2 or not known) and now - self.tried > min(self.PAUSE, self.max_age):
                self.flight, self.tried = threading.Event(), now
                return self.flight, True
            return None, False

    def fetch(self, flight, now):
        keys = None
        try:
            keys = self.published()
        except (OSError, http.client.HTTPException, ValueError, AttributeError, KeyError, TypeError, jwt.PyJWTError) as e:
            log.warning("the keys of %s cannot be fetched: %s", self.url, e)
        finally:
            with self.lock:
                if keys is None:
                    self.failed = time.monotonic()
                elif now > self.fetched:  # or a later fetch came before
                    self.keys, self.fetched, self.failed = keys, now, float("-inf")
                if self.flight is flight:
                    self.flight = None
            flight.set()

    def published(self):
        end, text = time.monotonic() + self.timeout, b""
        with self.opener.open(self.url, timeout=self.timeout) as answer:
            while part := answer.read1(1 << 16):  # of the body all waits together are bounded, of the header each
                text += part
                if len(text) > self.MAX_ANSWER or time.monotonic() > end:
                    raise OSError("the answer is too long, or takes too long")
        # A key of another algorithm would make PyJWT fail with a TypeError, not refuse the token.
        keys = [jwt.PyJWK(k) for k in json.loads(text)["keys"] if k.get("alg") == self.algorithm]
        return {k.key_id: k for k in keys}


@functools.lru_cache(maxsize=None)
def backend():
    config = conf.load()
    if not (config.issuer and config.audience) or config.algorithm.startswith("HS"):
        raise ImproperlyConfigured("HALLMARK needs ISSUER, AUDIENCE and the ALGORITHM of the client, such as RS256")
    made = TokenBackend(config.algorithm, audience=config.audience, issuer=config.issuer)
    made.jwks_client = Keys(config)
    return made


class HallmarkToken(AccessToken):
    """An access token that Hallmark made."""

    def __init__(self, token=None, verify=True):
        if token is None:
            raise TokenError("Hallmark makes these")
        if str(header(token).get("typ")).lower() not in ("at+jwt", "application/at+jwt"):  # RFC 9068 §4
            raise TokenError("Token has wrong type")
        super().__init__(token, verify)

    def get_token_backend(self):
        return backend()


class OldToken(AccessToken):
    """An access token that Simple JWT made here, until the day that OLD_TOKENS_UNTIL names."""

    def __init__(self, token=None, verify=True):
        over = datetime.now(timezone.utc) >= conf.load().old_tokens_end()
        if token is not None and (over or header(token).get("alg") != api_settings.ALGORITHM):
            raise TokenError("Token is invalid or expired")
        super().__init__(token, verify)
