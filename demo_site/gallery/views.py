from django.db.models import Count, Prefetch
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render

from demo_site.gallery.models import Album, Document, Photo


def index(request: HttpRequest) -> HttpResponse:
    covers = Prefetch("photos", queryset=Photo.objects.all()[:1], to_attr="covers")
    # Ordered again, since Django drops a model's own ordering from queries that count.
    albums = Album.objects.annotate(photo_count=Count("photos")).order_by("-created", "-pk")
    context = {"albums": albums.prefetch_related(covers), "documents": Document.objects.filter(album=None)}
    return render(request, "gallery/index.html", context)


def album(request: HttpRequest, pk: int) -> HttpResponse:
    found = Album.objects.prefetch_related("photos", "documents").filter(pk=pk).first()
    if found is None:
        return missing(request)
    return render(request, "gallery/album.html", {"album": found})


def missing(request: HttpRequest) -> HttpResponse:
    return render(request, "404.html", status=404)
