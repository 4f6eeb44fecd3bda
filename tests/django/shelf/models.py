"""Models with our fields, and with Django's, for the tests of fields and transactions."""

from django.db import models

from fdfs_storage.fields import FastDFSFileField, FastDFSImageField


class Paper(models.Model):
    title = models.CharField(max_length=20, unique=True)
    file = FastDFSFileField(blank=True)


class Draft(Paper):
    class Meta:
        proxy = True


class Letter(Paper):
    """A child with a table of its own."""

    to = models.CharField(max_length=20, blank=True)


class Picture(models.Model):
    """Companions stand on both sides of the field: their order must not matter."""

    width = models.PositiveIntegerField(null=True, editable=False)
    original = models.CharField(max_length=40, blank=True, default="", editable=False)
    size = models.PositiveBigIntegerField(null=True, editable=False)
    image = FastDFSImageField(
        blank=True,
        null=True,
        width_field="width",
        height_field="height",
        original_name_field="original",
        size_field="size",
        crc32_field="crc32",
        content_type_field="kind",
    )
    height = models.PositiveIntegerField(null=True, editable=False)
    crc32 = models.BigIntegerField(null=True, editable=False)
    kind = models.CharField(max_length=100, blank=True, default="", editable=False)


class Keepsake(models.Model):
    file = FastDFSFileField(delete_unused=False)


class Narrow(models.Model):
    """Too short for any id, or for one with a group of eight characters."""

    short = FastDFSFileField(max_length=40, blank=True)
    tight = FastDFSFileField(max_length=53, blank=True)


class Plain(models.Model):
    file = models.FileField()
    image = models.ImageField(null=True, width_field="width", height_field="height")
    width = models.PositiveIntegerField(null=True)
    height = models.PositiveIntegerField(null=True)


class Folder(models.Model):
    """Has no file itself."""


class Shown(models.Manager):
    def get_queryset(self):
        return super().get_queryset().filter(hidden=False)


class Tagged(models.Model):
    """Two files in one row, which its manager may hide from everybody, and which go with their folder."""

    folder = models.ForeignKey(Folder, null=True, on_delete=models.CASCADE)
    hidden = models.BooleanField(default=False)
    first = FastDFSFileField(blank=True, original_name_field="first_name", size_field="first_size")
    first_name = models.CharField(max_length=100, blank=True, default="")
    first_size = models.BigIntegerField(null=True)
    second = FastDFSFileField(blank=True, original_name_field="second_name", size_field="second_size")
    second_name = models.CharField(max_length=100, blank=True, default="")
    second_size = models.BigIntegerField(null=True)

    objects = Shown()

    class Meta:
        base_manager_name = "objects"
