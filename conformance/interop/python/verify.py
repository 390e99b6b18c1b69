import sys

import jwt

issuer, audience = sys.argv[1:]
keys = jwt.PyJWKClient(f"{issuer}/.well-known/jwks.json")
for token in map(str.strip, sys.stdin):
    claims = jwt.decode(
        token, keys.get_signing_key_from_jwt(token).key,
        algorithms=["ES256", "RS256"], issuer=issuer, audience=audience,
        options={"require": ["exp", "sub", "client_id", "jti"]},
    )
    print(claims["sub"], flush=True)
