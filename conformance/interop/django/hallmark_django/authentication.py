from django.core.exceptions import ValidationError
from rest_framework_simplejwt.authentication import JWTAuthentication
from rest_framework_simplejwt.exceptions import AuthenticationFailed, InvalidToken

from . import conf

conf.load().check_tokens()  # nobody is let in where it is wrong: the app's checks run where it is installed


class Authentication(JWTAuthentication):
    """JWTAuthentication, for which a user_id that cannot be one of this site's is a user who is not there.

    Somebody who is a user at Hallmark only has sub there, a text. Where ids are
    numbers, JWTAuthentication would fail with a ValueError, which is a 500.
    """

    def get_validated_token(self, raw_token):
        try:
            return super().get_validated_token(raw_token)
        except (TypeError, ValueError):  # a token that names a published key of another algorithm
            raise InvalidToken("Token is invalid or expired") from None

    def get_user(self, validated_token):
        try:
            return super().get_user(validated_token)
        except (ValueError, TypeError, OverflowError, ValidationError):
            raise AuthenticationFailed("User not found", code="user_not_found") from None
