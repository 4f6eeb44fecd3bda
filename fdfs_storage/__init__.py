"""Keep the files of a Django project in FastDFS.

PYTEST_DONT_REWRITE: the package brings a plugin, so pytest would warn where a project imports it first.
"""

__version__ = "0.1.0"
