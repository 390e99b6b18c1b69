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

log = logging.getLogger("hallmark_django")


def header(token):
    try:
        return jwt.get_unverified_header(token)
    except jwt.InvalidTokenError:
        raise TokenError("Token is invalid or expired")


class Keys:
    """The published keys, as a TokenBackend asks for them.

    An unknown kid has them fetched again, but not all the time; while the
    issuer is away, the last ones stay good for a while.
    """

    PAUSE, OUTAGE, MAX_ANSWER = 10, 3600, 1 << 20  # seconds, seconds, bytes

    def __init__(self, config):
        self.url = config.jwk_url or config.issuer + "/.well-known/jwks.json"
        self.algorithm = config.algorithm
        self.max_age, self.timeout = config.keys_max_age, config.timeout
        self.lock, self.keys, self.fetched, self.tried = threading.Lock(), {}, float("-inf"), float("-inf")

    def get_signing_key_from_jwt(self, token):
        kid, now = header(token).get("kid"), time.monotonic()
        with self.lock:  # who else needs them waits for the same fetch
            wanted = now - self.fetched > self.max_age or kid not in self.keys
            if wanted and now - self.tried > min(self.PAUSE, self.max_age):
                self.fetch(now)
            key = self.keys.get(kid)
        if key is None:
            raise jwt.PyJWKClientError("unknown kid")
        return key

    def fetch(self, now):
        self.tried = now
        try:
            with urllib.request.urlopen(self.url, timeout=self.timeout) as answer:
                published = json.loads(answer.read(self.MAX_ANSWER))["keys"]
            # A key of another algorithm would make PyJWT fail with a TypeError, not refuse the token.
            keys = [jwt.PyJWK(k) for k in published if k.get("alg") == self.algorithm]
            self.keys, self.fetched = {k.key_id: k for k in keys}, now
        except (OSError, http.client.HTTPException, ValueError, AttributeError, KeyError, TypeError, jwt.PyJWTError) as e:
            log.warning("the keys of %s cannot be fetched: %s", self.url, e)
            if now - self.fetched > self.max_age + self.OUTAGE:
                self.keys = {}


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
