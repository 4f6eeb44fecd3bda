from django.db import models
from django.urls import reverse
from django.utils.translation import gettext_lazy as _

from demo_site.gallery.links import url_of

# The longest id FastDFS hands out, a slave file of a trunk file in a 16-character group, has room to spare.
FILE_ID_LENGTH = 150


class Album(models.Model):
    title = models.CharField(_("title"), max_length=100)
    description = models.TextField(_("description"), blank=True)
    created = models.DateTimeField(_("created"), auto_now_add=True)

    class Meta:
        verbose_name = _("album")
        verbose_name_plural = _("albums")
        ordering = ("-created", "-pk")

    def __str__(self) -> str:
        return self.title

    def get_absolute_url(self) -> str:
        return reverse("gallery:album", args=[self.pk])


class Photo(models.Model):
    album = models.ForeignKey(Album, models.CASCADE, related_name="photos", verbose_name=_("album"))
    title = models.CharField(_("title"), max_length=100, blank=True)
    # No upload_to: FastDFS names the file, and the name it chose is what the column keeps.
    image = models.ImageField(
        _("image"), max_length=FILE_ID_LENGTH, width_field="width", height_field="height"
    )
    # Kept beside the image, so that a page can reserve its place without reading a single file.
    width = models.PositiveIntegerField(_("width"), null=True, blank=True, editable=False)
    height = models.PositiveIntegerField(_("height"), null=True, blank=True, editable=False)
    caption = models.CharField(_("caption"), max_length=200, blank=True)
    created = models.DateTimeField(_("created"), auto_now_add=True)

    class Meta:
        verbose_name = _("photo")
        verbose_name_plural = _("photos")
        ordering = ("created", "pk")

    def __str__(self) -> str:
        return self.title or self.caption or self.image.name or str(_("untitled photo"))

    @property
    def url(self) -> str:
        return url_of(self.image)


class Document(models.Model):
    album = models.ForeignKey(
        Album, models.SET_NULL, related_name="documents", verbose_name=_("album"), null=True, blank=True
    )
    title = models.CharField(_("title"), max_length=100)
    file = models.FileField(_("file"), max_length=FILE_ID_LENGTH)
    created = models.DateTimeField(_("created"), auto_now_add=True)

    class Meta:
        verbose_name = _("document")
        verbose_name_plural = _("documents")
        ordering = ("created", "pk")

    def __str__(self) -> str:
        return self.title

    @property
    def url(self) -> str:
        return url_of(self.file)

    @property
    def kind(self) -> str:
        """The extension in capitals, which FastDFS keeps in the id: PDF, TXT."""
        return (self.file.name or "").rpartition(".")[2].upper()[:6]


class Sample(models.Model):
    """One row for each thing the demo has planted: what a visitor renamed or deleted stays that way."""

    name = models.CharField(_("name"), max_length=100, unique=True)

    class Meta:
        verbose_name = _("sample")
        verbose_name_plural = _("samples")

    def __str__(self) -> str:
        return self.name
