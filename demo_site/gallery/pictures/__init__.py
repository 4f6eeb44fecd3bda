"""Landscapes for the demo, painted by Pillow: the same number gives the same picture, each number another."""

from io import BytesIO

from PIL import Image

from demo_site.gallery.pictures.canvas import Canvas
from demo_site.gallery.pictures.scenes import SCENES

HUES = 256


def paint(number: int) -> Image.Image:
    """Each scene in turn; from the second round on, every round in other colours."""
    rounds, scene = divmod(number, len(SCENES))
    canvas = Canvas(number)
    SCENES[scene](canvas)
    return tinted(canvas.finished(), rounds)


def tinted(picture: Image.Image, rounds: int) -> Image.Image:
    """The picture with its hues turned; 47 is coprime to 256, so that no early round repeats one before."""
    if rounds == 0:
        return picture
    hue, *others = picture.convert("HSV").split()
    turned = hue.point([(value + 47 * rounds) % HUES for value in range(HUES)])
    return Image.merge("HSV", (turned, *others)).convert("RGB")


def encoded(picture: Image.Image, kind: str) -> bytes:
    """The bytes of a file of that kind: JPEG, PNG, PDF."""
    buffer = BytesIO()
    picture.save(buffer, kind, quality=88)
    return buffer.getvalue()
