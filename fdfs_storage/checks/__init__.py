"""System checks, each with a hint that can be pasted; no network (`manage.py fdfs_check` goes there).

docs/checks.md explains each. What only production can be blamed for waits for `check --deploy`.
"""

from . import addresses, fields, options, project, secrets  # they register themselves

__all__ = ["addresses", "fields", "options", "project", "secrets"]
