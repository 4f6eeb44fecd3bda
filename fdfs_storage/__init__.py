"""Keep the files of a Django project in FastDFS."""

__version__ = "0.1.0"
