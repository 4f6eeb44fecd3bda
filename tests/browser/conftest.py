import os
import shutil

import pytest
from selenium import webdriver
from selenium.webdriver.chrome.service import Service

FLAGS = [
    "--headless=new",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--no-first-run",
    "--no-proxy-server",
    "--window-size=1280,900",
]


@pytest.fixture
def browser(tmp_path):
    """Headless Chromium, driven by its own driver; both are Debian's (chromium, chromium-driver)."""
    chromium, driver = shutil.which("chromium"), shutil.which("chromedriver")
    if not (chromium and driver):
        if os.environ.get("FDFS_REQUIRE_BROWSER"):
            pytest.fail("FDFS_REQUIRE_BROWSER is set, but there is no chromium and chromedriver")
        pytest.skip("no browser here: install chromium and chromium-driver to run this test")
    options = webdriver.ChromeOptions()
    options.binary_location = chromium
    for flag in [*FLAGS, f"--user-data-dir={tmp_path / 'profile'}"]:
        options.add_argument(flag)
    browser = webdriver.Chrome(options, Service(driver))
    try:
        browser.set_page_load_timeout(60)
        browser.implicitly_wait(10)
        yield browser
    finally:
        browser.quit()
