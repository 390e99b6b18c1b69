from django.urls import path
from rest_framework_simplejwt.views import token_blacklist, token_obtain_pair, token_refresh, token_verify

from shop import views

urlpatterns = [
    path("api/token/", token_obtain_pair),
    path("api/token/refresh/", token_refresh),
    path("api/token/verify/", token_verify),
    path("api/token/blacklist/", token_blacklist),
    path("api/me/", views.me),
    path("api/signup/", views.signup),
    path("api/password/", views.password),
]
