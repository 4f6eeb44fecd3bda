"""An admin with previews for a model with FastDFSImageField, for tests."""

from django.contrib import admin
from django.urls import path
from django.utils.html import format_html

from fdfs_storage.admin import FastDFSAdminMixin
from tests.django.shelf.models import Picture


class PictureAdmin(FastDFSAdminMixin, admin.ModelAdmin):
    list_display = ("pk", "preview", "width", "height", "original", "size")
    list_per_page = 200

    def preview(self, picture):
        return format_html('<img class="preview" src="{}" alt="{}">', picture.image.url, picture.image.width)


site = admin.AdminSite("shelf")
site.register(Picture, PictureAdmin)
urlpatterns = [path("shelf/", site.urls)]
