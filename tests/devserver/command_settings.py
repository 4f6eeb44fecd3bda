"""Settings in which only the command works: those of FDFS are wrong, and no check may stop it."""

SECRET_KEY = "only for tests"
INSTALLED_APPS = ["fdfs_storage"]
FDFS_TRACKERS = "not right yet"
USE_TZ = True
