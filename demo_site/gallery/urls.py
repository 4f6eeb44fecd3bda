from django.urls import path, re_path

from demo_site.gallery import views

app_name = "gallery"

urlpatterns = [
    path("", views.index, name="index"),
    path("albums/<int:pk>/", views.album, name="album"),
    # Under DEBUG nobody asks handler404. Last, and only for paths with a final slash: APPEND_SLASH adds it.
    re_path(r"^.*/$", views.missing, name="missing"),
]
