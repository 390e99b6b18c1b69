import sys

import jwt

issuer, audience, max_age = (sys.argv[1:] + ["300"])[:3]  # seconds that keys are kept
keys = jwt.PyJWKClient(f"{issuer}/.well-known/jwks.json", lifespan=int(max_age))
for token in map(str.strip, sys.stdin):
    try:
        claims = jwt.decode(
            token, keys.get_signing_key_from_jwt(token).key,
            algorithms=["ES256", "RS256"], issuer=issuer, audience=audience,
            options={"require": ["exp", "sub", "client_id", "jti"]},
        )
        print(claims["sub"], flush=True)
    except jwt.PyJWTError as error:
        print("refused:", error, flush=True)
