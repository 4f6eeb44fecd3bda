import io

import pytest
from PIL import Image

from demo_site.gallery.factories import photo_file
from demo_site.gallery.pictures import paint
from demo_site.gallery.samples import PHOTOS


@pytest.mark.parametrize("number", range(len(PHOTOS)))
def test_every_sample_is_a_real_photo_of_the_kind_its_name_says(number):
    file = photo_file(number)

    with Image.open(io.BytesIO(file.read())) as picture:
        picture.load()
        assert picture.size == (1200, 800)
        assert picture.format == {"jpg": "JPEG", "png": "PNG"}[file.name.rpartition(".")[2]]


def test_the_same_number_always_paints_the_same_picture():
    assert paint(3).tobytes() == paint(3).tobytes()


def test_no_two_pictures_are_the_same_even_in_the_next_rounds():
    pictures = {paint(number).tobytes() for number in (*range(10), 12, 22, 32)}

    assert len(pictures) == 13


def test_the_samples_have_chinese_and_english_names():
    names = [sample.file_name for sample in PHOTOS]

    assert any(name.isascii() for name in names)
    assert any(not name.isascii() and " " in name for name in names)
