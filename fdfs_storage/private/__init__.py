"""Files that only some may have: permission is Django's, the bytes are nginx's or streamed.

`view` has the view; `access` decides who gets a row's file, `presentation` what a browser is told to do
with it, `handover` and `streaming` are the two ways to send it, `ranges` reads a Range header.
"""

from .view import PrivateFileView

__all__ = ["PrivateFileView"]
