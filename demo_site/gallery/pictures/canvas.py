"""What a landscape is drawn with: lengths in pixels of the finished picture, colours #rrggbb or #rrggbbaa."""

import math
from collections.abc import Sequence
from random import Random

from PIL import Image, ImageColor, ImageDraw, ImageFilter

WIDTH, HEIGHT = 1200, 800
# Pillow draws hard edges; painting at twice the size and scaling down smooths them.
FINE = 2

Point = tuple[float, float]


def mix(first: str, second: str, share: float) -> str:
    """The colour a `share` of the way from the first to the second."""
    pairs = zip(ImageColor.getrgb(first)[:3], ImageColor.getrgb(second)[:3], strict=True)
    return "#" + "".join(f"{round(a + (b - a) * share):02x}" for a, b in pairs)


class Canvas:
    def __init__(self, seed: int) -> None:
        self.rng = Random(seed)  # noqa: S311 - the same number paints the same picture; nothing here is secret
        self.image = Image.new("RGB", (WIDTH * FINE, HEIGHT * FINE))
        self.draw = ImageDraw.Draw(self.image, "RGBA")

    def finished(self) -> Image.Image:
        return self.image.resize((WIDTH, HEIGHT), Image.Resampling.LANCZOS)

    def sky(self, *stops: str) -> None:
        """Evenly spaced colours from the top of the picture to its bottom."""
        column = Image.new("RGB", (1, len(stops) * 100))
        for y in range(column.height):
            part, share = divmod(y / column.height * (len(stops) - 1), 1)
            colour = mix(stops[int(part)], stops[int(part) + 1], share)
            column.putpixel((0, y), ImageColor.getrgb(colour))
        self.image.paste(column.resize(self.image.size, Image.Resampling.BICUBIC))

    def glow(self, x: float, y: float, radius: float, colour: str, strength: float = 1.0) -> None:
        side, corner = round(radius * 2 * FINE), (round((x - radius) * FINE), round((y - radius) * FINE))
        # Pillow's gradient is 180 at the sides, 255 in the corners: dark by 180, or the square shows.
        fade = [round(255 * strength * max(0, 1 - v / 180) ** 2) for v in range(256)]
        light = Image.radial_gradient("L").point(fade)
        self.image.paste(colour, corner, light.resize((side, side), Image.Resampling.BICUBIC))

    def disc(self, x: float, y: float, radius: float, colour: str, flat: float = 1.0) -> None:
        box = (x - radius, y - radius * flat, x + radius, y + radius * flat)
        self.draw.ellipse([side * FINE for side in box], fill=colour)

    def shape(self, points: Sequence[Point], colour: str) -> None:
        self.draw.polygon([(x * FINE, y * FINE) for x, y in points], fill=colour)

    def box(self, x: float, y: float, width: float, height: float, colour: str) -> None:
        self.shape([(x, y), (x + width, y), (x + width, y + height), (x, y + height)], colour)

    def ridge(self, y: float, relief: float, waves: int = 6, jagged: float = 0.5) -> list[Point]:
        """A skyline around y: octaves of sines, each finer one weaker by `jagged`."""
        octaves = [
            (jagged**n, 1.9**n / 210 * self.rng.uniform(0.8, 1.2), self.rng.uniform(0, math.tau))
            for n in range(waves)
        ]
        return [
            (x, y - relief * sum(size * math.sin(x * pace + phase) for size, pace, phase in octaves))
            for x in range(-4, WIDTH + 8, 4)
        ]

    def land(self, skyline: Sequence[Point], colour: str) -> None:
        """Everything below a skyline."""
        self.shape([*skyline, (WIDTH + 8, HEIGHT + 8), (-8, HEIGHT + 8)], colour)

    def ranges(self, top: float, bottom: float, count: int, far: str, near: str, relief: float) -> None:
        """Range behind range of mountains, each fading into the air before the next."""
        step = (bottom - top) / (count - 1)
        for n in range(count):
            share = n / (count - 1)
            colour = mix(far, near, share)
            self.land(self.ridge(top + n * step, relief * (0.8 + 0.4 * share)), colour)
            self.mist(top + n * step, top + (n + 2) * step, mix(colour, "#ffffff", 0.45), 0.5)

    def mist(self, top: float, bottom: float, colour: str, strength: float) -> None:
        """A veil that thickens towards `bottom` and fades out there."""
        height = round((bottom - top) * FINE)
        veil = Image.linear_gradient("L").point(
            [round(v * strength * (1 - (v / 255) ** 4)) for v in range(256)]
        )
        veil = veil.resize((WIDTH * FINE, height), Image.Resampling.BICUBIC)
        self.image.paste(colour, (0, round(top * FINE)), veil)

    def mirror(self, shore: float, tint: str, strength: float) -> None:
        """Still water below the shore: what stands above it upside down, softened and tinted."""
        line = round(shore * FINE)
        depth = self.image.height - line
        above = self.image.crop((0, max(0, line - 2 * depth), self.image.width, line))
        below = above.transpose(Image.Transpose.FLIP_TOP_BOTTOM).resize((self.image.width, depth))
        below = below.filter(ImageFilter.GaussianBlur(2 * FINE))
        self.image.paste(Image.blend(below, Image.new("RGB", below.size, tint), strength), (0, line))

    def ripples(self, top: float, count: int, colour: str) -> None:
        """Slivers of light on water, longer and thicker the nearer they are."""
        for _ in range(count):
            x, near = self.rng.uniform(0, WIDTH), self.rng.random()
            y, long, thick = top + (HEIGHT - top) * near, 20 + 60 * near, 0.6 + 1.6 * near
            self.shape([(x - long, y), (x, y - thick), (x + long, y), (x, y + thick)], colour)

    def stars(self, count: int, bottom: float) -> None:
        for _ in range(count):
            x, y = self.rng.uniform(0, WIDTH), self.rng.uniform(0, bottom)
            self.disc(
                x, y, self.rng.choice((0.6, 0.8, 1.0, 1.7)), mix("#8ea4d2", "#ffffff", self.rng.random())
            )
