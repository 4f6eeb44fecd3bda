"""`manage.py demo` as its user has it: a process with an output, pages and an exit code."""

import http.cookiejar
import os
import re
import signal
import subprocess
import sys
import threading
import urllib.parse
import urllib.request
from pathlib import Path

PROJECT = Path(__file__).parents[2]
PATIENCE_SECONDS = 90
# Given but empty: neither this machine nor a developer's .env decides.
BLANK = dict.fromkeys(
    (
        "DATABASE_URL",
        "DJANGO_ALLOWED_HOSTS",
        "DJANGO_DEBUG",
        "DJANGO_SECRET_KEY",
        "FDFS_BASE_URL",
        "FDFS_CONNECT_TIMEOUT",
        "FDFS_GROUP",
        "FDFS_NETWORK_TIMEOUT",
        "FDFS_POOL_SIZE",
        "FDFS_TRACKERS",
        "LANGUAGE_CODE",
        "TIME_ZONE",
    ),
    "",
)


def environ(**given: str) -> dict[str, str]:
    settled = {"DJANGO_SETTINGS_MODULE": "demo_site.settings", "PYTHONUTF8": "1"}
    return {**os.environ, **BLANK, **settled, **given}


class Demo:
    def __init__(self, *arguments: str, **environment: str) -> None:
        self.lines: list[str] = []
        self.process = subprocess.Popen(
            [sys.executable, "manage.py", "demo", *arguments],
            cwd=PROJECT,
            env=environ(**environment),
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            encoding="utf-8",
        )
        # Whoever waits for a line of a demo that hangs gets the end of its output instead.
        self._watchdog = threading.Timer(PATIENCE_SECONDS, self.process.kill)
        self._watchdog.start()

    def read_until(self, text: str) -> str:
        """The line with the text; all that was printed, where the output ends without it."""
        for line in self.process.stdout:
            self.lines.append(line.rstrip("\n"))
            if text in line:
                return self.lines[-1]
        raise AssertionError("\n".join([*self.lines, self.process.stderr.read()]))

    def ready(self) -> "Demo":
        self.read_until("Ctrl-C")
        return self

    def told(self, pattern: str) -> str:
        """The first group of the first line that matches."""
        return next(match[1] for line in self.lines if (match := re.search(pattern, line)))

    @property
    def site(self) -> str:
        return self.told(r"(http://127\.0\.0\.1:\d+)/admin/").rstrip("/")

    @property
    def password(self) -> str:
        return self.told(r"^password: (\S+)$")

    def stop(self, number: signal.Signals = signal.SIGINT) -> str:
        """What was still said until the end, errors included."""
        self.process.send_signal(number)
        return self.finish()

    def finish(self) -> str:
        output, errors = self.process.communicate(timeout=PATIENCE_SECONDS)
        self._watchdog.cancel()
        return output + errors

    def kill(self) -> None:
        self._watchdog.cancel()
        self.process.kill()
        self.process.communicate()


class Visitor:
    """A browser without a screen: keeps cookies, reads pages."""

    def __init__(self, site: str) -> None:
        self.site = site
        self.cookies = http.cookiejar.CookieJar()
        jar = urllib.request.HTTPCookieProcessor(self.cookies)
        self._opener = urllib.request.build_opener(urllib.request.ProxyHandler({}), jar)

    def fetch(self, url: str, form: dict[str, str] | None = None) -> bytes:
        body = urllib.parse.urlencode(form).encode() if form else None
        with self._opener.open(urllib.parse.urljoin(self.site, url), body, timeout=30) as answer:
            return answer.read()

    def page(self, url: str, form: dict[str, str] | None = None) -> str:
        return self.fetch(url, form).decode()

    def log_in(self, username: str, password: str) -> str:
        self.page("/admin/login/")
        token = next(cookie.value for cookie in self.cookies if cookie.name == "csrftoken")
        form = {"username": username, "password": password, "csrfmiddlewaretoken": token, "next": "/admin/"}
        return self.page("/admin/login/", form)

    def images(self) -> list[str]:
        """The address of every photo in every album."""
        albums = re.findall(r'href="(/albums/\d+/)"', self.page("/"))
        return [url for album in albums for url in re.findall(r'<img src="(http[^"]+)"', self.page(album))]
