import signal
import socket
import urllib.parse

import pytest

from demo_site.gallery.factories import photo_file
from demo_site.gallery.samples import PHOTOS
from tests.demo.process import Demo, Visitor


def paths(images):
    return [urllib.parse.urlsplit(url).path for url in images]


def test_a_first_run_serves_a_gallery_with_ten_pictures_byte_for_byte(demo):
    visitor = Visitor(demo().ready().site)

    images = visitor.images()

    painted = {photo_file(number).read() for number in range(len(PHOTOS))}
    assert len(images) == 10
    assert {visitor.fetch(url) for url in images} == painted


@pytest.mark.usefixtures("seeded")
def test_the_printed_password_opens_an_admin_with_its_styles_and_previews(demo):
    running = demo().ready()
    visitor = Visitor(running.site)

    assert "admin" in visitor.log_in(running.told("^username: (.+)$"), running.password)

    assert visitor.page("/admin/gallery/photo/").count("gallery-preview") == 10
    assert "--primary" in visitor.page("/static/admin/css/base.css")


@pytest.mark.usefixtures("seeded")
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_stops_it_cleanly(demo, number):
    running = demo().ready()

    said = running.stop(number)

    assert "Stopped" in said
    assert "Traceback" not in said
    assert running.process.returncode == 0


def test_a_restart_finds_everything_as_it_was(demo):
    first = demo().ready()
    images = Visitor(first.site).images()
    first.stop()

    second = demo().ready()

    visitor = Visitor(second.site)
    assert second.password == first.password
    assert not any("Painting" in line for line in second.lines)
    assert paths(visitor.images()) == paths(images)
    assert visitor.fetch(visitor.images()[0]) in {photo_file(number).read() for number in range(len(PHOTOS))}


def test_a_run_interrupted_while_it_paints_is_completed_by_the_next(demo):
    first = demo()
    first.read_until("Painting")
    said = first.stop()

    second = demo().ready()

    assert (first.process.returncode, "Traceback" in said) == (0, False)
    assert len(Visitor(second.site).images()) == 10


def test_a_taken_port_is_one_line_before_anything_else_happens(data):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]

        refused = Demo("--port", str(port), "--data", str(data))
        said = refused.finish()

    assert said == f"CommandError: Port {port} is taken. Choose another one with --port.\n"
    assert refused.process.returncode == 1
    assert not data.exists()


@pytest.mark.usefixtures("seeded")
def test_two_demos_do_not_share_a_folder(demo):
    demo().ready()

    second = demo()
    said = second.finish()

    assert said.startswith("CommandError: Another demo is running on ")
    assert (said.count("\n"), second.process.returncode) == (1, 1)


def test_a_folder_that_cannot_be_made_is_one_line(demo, data):
    data.write_text("a file is in the way")

    said = demo().finish()

    assert said == f"CommandError: No data can be kept in {data}: File exists.\n"


@pytest.mark.parametrize("port", ["-1", "65536", "http"])
def test_what_is_no_port_is_refused_by_name(port):
    refused = Demo("--port", port)

    assert f"not a port: {port}" in refused.finish()


@pytest.mark.usefixtures("seeded")
def test_it_speaks_chinese_but_for_what_scripts_read(demo):
    running = demo(LANGUAGE_CODE="zh-hans").ready()

    said = "\n".join(running.lines) + running.stop()

    assert all(word in said for word in ("画廊：http://", "数据目录：", "已停止"))
    assert "\nusername: admin\npassword: " in said


def test_it_uses_a_cluster_that_the_environment_names(demo, data, embedded):
    running = demo(FDFS_TRACKERS=embedded.trackers[0], FDFS_BASE_URL=embedded.base_url).ready()

    images = Visitor(running.site).images()

    assert len(images) == 10
    assert all(url.startswith(embedded.base_url) for url in images)
    assert not (data / "fastdfs").exists()


def test_a_named_cluster_that_is_down_is_one_line(demo):
    said = demo(FDFS_TRACKERS="127.0.0.1:1", FDFS_BASE_URL="http://127.0.0.1:8888").finish()

    assert "CommandError: FastDFS did not take the samples: " in said
    assert "Traceback" not in said


@pytest.mark.usefixtures("seeded")
def test_it_works_as_well_without_debugging(demo):
    running = demo(DJANGO_DEBUG="false", DJANGO_SECRET_KEY="only for this test").ready()
    visitor = Visitor(running.site)

    visitor.log_in("admin", running.password)

    assert visitor.page("/admin/gallery/photo/").count("gallery-preview") == 10
    assert "--primary" in visitor.page("/static/admin/css/base.css")
