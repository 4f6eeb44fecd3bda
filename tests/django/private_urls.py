"""Views of private files, for tests."""

from django.urls import include, path

from demo_site.gallery.models import Document
from fdfs_storage.private import PrivateFileView
from tests.django.shelf.models import Paper, Picture, Plain


class Shared(PrivateFileView):
    """Papers whose title begins with "shared" are everybody's."""

    model = Paper
    field = "file"

    def has_access(self, request, instance):
        return instance.title.startswith("shared")


async def later():
    return False


def never(request, instance):
    """Return a coroutine, which counts as true; closed, so that nobody misses its end."""
    coroutine = later()
    coroutine.close()
    return coroutine


urlpatterns = [
    path("documents/<str:pk>/", PrivateFileView.as_view(model=Document, field="file")),
    path("pictures/<int:pk>/", PrivateFileView.as_view(model=Picture, field="image", cache_seconds=60)),
    path("saved/<int:pk>/", PrivateFileView.as_view(model=Picture, field="image", attachment=True)),
    path("plain/<int:pk>/", PrivateFileView.as_view(queryset=Plain.objects.exclude(pk=404), field="file")),
    path("shared/<int:pk>/", Shared.as_view()),
    path("paper/<slug:slug>/", Shared.as_view(slug_field="title")),
    path("staff/<int:pk>/", Shared.as_view(has_access=lambda request, instance: request.user.is_staff)),
    path("never/<int:pk>/", Shared.as_view(has_access=never)),
    path(
        "editors/<int:pk>/",
        PrivateFileView.as_view(model=Paper, field="file", permission="shelf.change_paper"),
    ),
    path("", include("demo_site.urls")),
]
