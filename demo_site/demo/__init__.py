"""What `manage.py demo` is made of, a module to a step."""

LOOPBACK = "127.0.0.1"
