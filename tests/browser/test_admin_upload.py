"""The whole path once, as a person goes it: admin, upload, preview, public URL, the same bytes."""

import base64

import pytest
from django.urls import reverse
from PIL import Image
from selenium.webdriver.common.by import By
from selenium.webdriver.support.select import Select
from selenium.webdriver.support.wait import WebDriverWait

from demo_site.gallery.models import Album, Photo

FETCH = """
const done = arguments[arguments.length - 1];
fetch(document.URL).then(answer => answer.arrayBuffer()).then(buffer => {
    let text = "";
    for (const byte of new Uint8Array(buffer)) text += String.fromCharCode(byte);
    done(btoa(text));
});
"""


@pytest.fixture
def site(live_server, settings, cluster):
    if cluster.base_url is None:
        pytest.skip("FDFS_TEST_BASE_URL does not name the real cluster's nginx")
    settings.FDFS_TRACKERS = cluster.trackers
    settings.FDFS_BASE_URL = cluster.base_url
    return live_server


def is_drawn(browser, image):
    return browser.execute_script("return arguments[0].complete && arguments[0].naturalWidth > 0", image)


def log_in(browser, site, user):
    browser.get(site.url + reverse("admin:login"))
    browser.find_element(By.NAME, "username").send_keys(user.username)
    browser.find_element(By.NAME, "password").send_keys("password")
    browser.find_element(By.CSS_SELECTOR, "[type=submit]").click()
    browser.find_element(By.CSS_SELECTOR, "#user-tools a")


def test_an_image_uploaded_by_hand_is_previewed_and_its_public_url_has_its_bytes(
    browser, site, admin_user, tmp_path
):
    picture = tmp_path / "西湖 晨雾.jpg"
    Image.radial_gradient("L").resize((640, 400)).convert("RGB").save(picture, quality=90)
    album = Album.objects.create(title="西湖")
    log_in(browser, site, admin_user)

    browser.get(site.url + reverse("admin:gallery_photo_add"))
    Select(browser.find_element(By.NAME, "album")).select_by_visible_text(album.title)
    browser.find_element(By.NAME, "image").send_keys(str(picture))
    browser.find_element(By.NAME, "_save").click()

    preview = browser.find_element(By.CSS_SELECTOR, "#result_list img")
    WebDriverWait(browser, 20).until(lambda browser: is_drawn(browser, preview))
    url = Photo.objects.get().image.url
    assert preview.get_attribute("src") == url
    browser.get(url)
    assert is_drawn(browser, browser.find_element(By.TAG_NAME, "img"))
    assert base64.b64decode(browser.execute_async_script(FETCH)) == picture.read_bytes()

    browser.get(site.url + album.get_absolute_url())
    shown = browser.find_element(By.CSS_SELECTOR, f"img[src='{url}']")
    browser.execute_script("arguments[0].scrollIntoView()", shown)
    WebDriverWait(browser, 20).until(lambda browser: is_drawn(browser, shown))
