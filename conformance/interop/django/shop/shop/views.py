from django.contrib.auth import get_user_model
from rest_framework.decorators import api_view, permission_classes
from rest_framework.permissions import AllowAny
from rest_framework.response import Response


@api_view()
def me(request):
    return Response({"id": request.user.id, "username": request.user.username})


@api_view(["POST"])
@permission_classes([AllowAny])
def signup(request):
    user = get_user_model().objects.create_user(request.data["username"], password=request.data["password"])
    return Response({"id": user.id}, status=201)


@api_view(["POST"])
def password(request):
    request.user.set_password(request.data["password"])
    request.user.save()
    return Response({})
