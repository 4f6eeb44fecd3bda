"""Does the rest of the project's settings go with FastDFS?"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from django.apps import apps
from django.apps.config import AppConfig
from django.conf import DEFAULT_STORAGE_ALIAS, STATICFILES_STORAGE_ALIAS, settings
from django.core.checks import CheckMessage, Error, Info, Tags, register
from django.utils.translation import gettext as _

from .uses import file_fields, is_ours, storage_of


@register(Tags.staticfiles)
def check_static_files(app_configs: Sequence[AppConfig] | None, **kwargs: Any) -> list[CheckMessage]:
    """Stop collectstatic before it uploads every file under a name that no template knows."""
    if not apps.is_installed("django.contrib.staticfiles") or not is_ours(STATICFILES_STORAGE_ALIAS):
        return []
    backend = "django.contrib.staticfiles.storage.StaticFilesStorage"
    return [
        Error(
            _("Static files need the names that they have, and FastDFS gives each file a new one."),
            hint=f'STORAGES = {{…, "{STATICFILES_STORAGE_ALIAS}": {{"BACKEND": "{backend}"}}}}',
            id="fdfs.E007",
        )
    ]


@register(Tags.files)
def check_media(app_configs: Sequence[AppConfig] | None, **kwargs: Any) -> list[CheckMessage]:
    """Find settings for uploads on disk where no upload goes to a disk any more."""
    left = [name for name in ("MEDIA_ROOT", "MEDIA_URL") if settings.is_overridden(name)]  # type: ignore[misc]  # the stubs miss it
    left = [name for name in left if getattr(settings, name) not in ("", "/")]
    aliases = set(settings.STORAGES) - {STATICFILES_STORAGE_ALIAS}
    all_ours = DEFAULT_STORAGE_ALIAS in aliases and all(map(is_ours, aliases))
    if not left or not all_ours or not all(map(storage_of, file_fields())):
        return []
    return [
        Info(
            _("%(names)s: read by no storage, since all uploads go to FastDFS.") % {"names": ", ".join(left)},
            hint=_("Remove them, and the route that serves MEDIA_URL in urls.py."),
            id="fdfs.I010",
        )
    ]
