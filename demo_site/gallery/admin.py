from typing import ClassVar

from django.contrib import admin
from django.db.models import Count, QuerySet
from django.http import HttpRequest
from django.utils.html import format_html
from django.utils.translation import gettext_lazy as _

from demo_site.gallery.models import Album, Document, Photo
from fdfs_storage.admin import FastDFSAdminMixin

# The ignored type-arg: these classes are generic in django-stubs, and cannot be subscripted in Django itself.

NOTHING = "–"
# With no-break spaces: a change list breaks a column wherever it can.
SIZE = "{}\N{NO-BREAK SPACE}×\N{NO-BREAK SPACE}{}"

admin.site.site_header = _("FastDFS gallery")
admin.site.site_title = _("FastDFS gallery")
admin.site.index_title = _("Albums, photos and documents")


class Styled:
    class Media:
        css: ClassVar = {"all": ("gallery/admin.css",)}


class Previews(Styled):
    """Shows a photo by its public address: the browser fetches it, the storage is asked for nothing."""

    @admin.display(description=_("preview"))
    def preview(self, photo: Photo) -> str:
        if not photo.url:
            return NOTHING
        tag = '<a href="{0}"><img class="gallery-preview" src="{0}" alt="{1}" loading="lazy"></a>'
        return format_html(tag, photo.url, photo)


class PhotoInline(Previews, admin.TabularInline):  # type: ignore[type-arg]
    model = Photo
    fields = ("preview", "image", "title", "caption")
    readonly_fields = ("preview",)
    extra = 1


@admin.register(Album)
class AlbumAdmin(FastDFSAdminMixin, admin.ModelAdmin):  # type: ignore[type-arg]
    list_display = ("title", "photo_count", "created")
    list_filter = ("created",)
    list_per_page = 25
    search_fields = ("title", "description", "photos__title", "photos__caption")
    inlines = (PhotoInline,)

    def get_queryset(self, request: HttpRequest) -> QuerySet[Album]:
        albums: QuerySet[Album] = super().get_queryset(request)
        counted: QuerySet[Album] = albums.annotate(photo_count=Count("photos", distinct=True))
        return counted

    @admin.display(description=_("photos"), ordering="photo_count")
    def photo_count(self, album: Album) -> int:
        return int(vars(album)["photo_count"])


@admin.register(Photo)
class PhotoAdmin(Previews, FastDFSAdminMixin, admin.ModelAdmin):  # type: ignore[type-arg]
    list_display = ("preview", "name", "album", "size", "created")
    list_display_links = ("name",)
    list_filter = ("album", "created")
    list_per_page = 25
    list_select_related = ("album",)
    search_fields = ("title", "caption", "album__title", "image")
    fields = ("preview", "album", "title", "image", "size", "caption", "created")
    readonly_fields = ("preview", "size", "created")

    @admin.display(description=_("title"), ordering="title")
    def name(self, photo: Photo) -> str:
        """The title may be left empty, the link to the photo's own page may not."""
        return str(photo)

    @admin.display(description=_("size"))
    def size(self, photo: Photo) -> str:
        return SIZE.format(photo.width, photo.height) if photo.width and photo.height else NOTHING


@admin.register(Document)
class DocumentAdmin(Styled, FastDFSAdminMixin, admin.ModelAdmin):  # type: ignore[type-arg]
    list_display = ("title", "album", "link", "created")
    list_filter = ("album", "created")
    list_per_page = 25
    list_select_related = ("album",)
    search_fields = ("title", "album__title", "file")
    fields = ("title", "album", "file", "link", "created")
    readonly_fields = ("link", "created")

    @admin.display(description=_("link"))
    def link(self, document: Document) -> str:
        if not document.url:
            return NOTHING
        return format_html('<a class="gallery-id" href="{}">{}</a>', document.url, document.file.name)
