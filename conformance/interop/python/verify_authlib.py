import json
import sys
import time
import urllib.request

from authlib.jose import JsonWebKey, JsonWebToken
from authlib.jose.errors import JoseError

issuer, audience, max_age = (sys.argv[1:] + ["300"])[:3]  # seconds that keys are kept


class Keys:
    """The issuer's keys, fetched again when they are older than max_age: Authlib itself fetches none."""

    fetched, keys = float("-inf"), None

    def __call__(self, header, payload):
        if time.monotonic() > self.fetched + int(max_age):
            with urllib.request.urlopen(f"{issuer}/.well-known/jwks.json", timeout=5) as answer:
                self.keys = JsonWebKey.import_key_set(json.load(answer))
            self.fetched = time.monotonic()
        return self.keys.find_by_kid(header["kid"])


jwt, keys = JsonWebToken(["ES256", "RS256"]), Keys()
rules = {claim: {"essential": True} for claim in ("exp", "sub", "client_id", "jti")}
rules |= {"iss": {"essential": True, "value": issuer}, "aud": {"essential": True, "value": audience}}
for token in map(str.strip, sys.stdin):
    try:
        claims = jwt.decode(token, keys, claims_options=rules)
        claims.validate()
        if claims.header.get("typ") != "at+jwt":
            raise ValueError("not an access token")
        print(claims["sub"], flush=True)
    except (JoseError, KeyError, ValueError) as error:
        print("refused:", repr(error), flush=True)
