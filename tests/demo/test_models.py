import pytest

from demo_site.gallery.models import Album, Document, Photo, Sample


def test_a_photo_is_called_by_the_best_name_it_has():
    named = {"image": "group1/M00/00/00/a.jpg", "width": 3, "height": 2}

    assert str(Photo(title="荷塘", caption="Lotus", **named)) == "荷塘"
    assert str(Photo(caption="Lotus", **named)) == "Lotus"
    assert str(Photo(**named)) == "group1/M00/00/00/a.jpg"
    assert str(Photo()) == "untitled photo"


def test_the_rest_is_called_by_its_title():
    names = [str(Album(title="江南")), str(Document(title="说明")), str(Sample(name="photo 1"))]

    assert names == ["江南", "说明", "photo 1"]


@pytest.mark.parametrize("record", [Photo(), Document()])
def test_a_record_without_a_file_has_no_address(record):
    assert record.url == ""
