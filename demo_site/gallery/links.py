from django.db.models.fields.files import FieldFile


def url_of(file: FieldFile) -> str:
    """The file's public address; empty where the column holds no file, or nothing that can be one."""
    try:
        return file.url
    except ValueError:
        return ""
