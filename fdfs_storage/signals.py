"""What FastDFSFileField and FastDFSImageField tell: that a file was stored, that one was deleted."""

from django.dispatch import Signal

file_uploaded = Signal()
"""Sent when the cluster has a new file, before its row is written and whatever becomes of it.

`sender`: the model; `instance`; `field`: the field's name; `name`: the file id.
"""

file_deleted = Signal()
"""Sent when a file was deleted because no row refers to it any more.

`sender`: the model; `field`: the field's name; `name`: the file id. An exception of a receiver is
logged, and stops nothing; that holds for both signals.
"""
