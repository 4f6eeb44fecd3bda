"""The embedded cluster: a FastDFS for development and tests, in one thread of one process."""

from .cluster import EmbeddedCluster
from .http_options import HttpOptions
from .server import PortError

__all__ = ["EmbeddedCluster", "HttpOptions", "PortError"]
