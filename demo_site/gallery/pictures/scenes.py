"""Ten landscapes. Each function paints one on an empty canvas."""

from collections.abc import Callable

from demo_site.gallery.pictures.canvas import HEIGHT, WIDTH, Canvas, mix
from demo_site.gallery.pictures.motifs import (
    bird,
    boat,
    crescent,
    curtain,
    lotus,
    pad,
    pagoda,
    peak,
    spire,
    stem,
    towers,
)


def dunes(canvas: Canvas) -> None:
    canvas.sky("#413266", "#a4508b", "#f08a5d", "#f9c784")
    canvas.glow(380, 330, 520, "#ffd9a0")
    canvas.disc(380, 330, 64, "#fff0cf")
    for n in range(6):
        y = 400 + n * 75
        crest = canvas.ridge(y, 34 + n * 6, waves=2, jagged=0.35)
        canvas.land(crest, mix("#e8935a", "#5b2333", n / 5))
        canvas.shape([*crest, *((x, y + 26 + n * 5) for x, y in reversed(crest))], "#ffd0901c")


def sunset_sea(canvas: Canvas) -> None:
    canvas.sky("#27496d", "#c06c84", "#f8b195", "#f9d5a7")
    canvas.glow(600, 430, 460, "#ffe3b0")
    canvas.disc(600, 420, 92, "#fff1d0")
    canvas.box(0, 440, WIDTH, HEIGHT, "#355c7d")
    canvas.mirror(440, "#355c7d", 0.45)
    for n in range(7):
        y = 470 + n * 52
        canvas.land(
            canvas.ridge(y, 5 + n * 2.4, waves=3, jagged=0.6), mix("#6c5b7b", "#1b2f4b", n / 6) + "70"
        )
    canvas.ripples(445, 90, "#ffe3b038")


def northern_lights(canvas: Canvas) -> None:
    canvas.sky("#050b1e", "#0b1c3d", "#12405a", "#2a6b6e")
    canvas.stars(300, 480)
    curtain(canvas, 330, "#5ef2b0")
    curtain(canvas, 270, "#7f8cff")
    curtain(canvas, 400, "#36d6c3")
    canvas.land(canvas.ridge(540, 46), "#0d2a3c")
    canvas.land(canvas.ridge(585, 22, waves=8, jagged=0.85), "#061622")
    canvas.mirror(600, "#08202f", 0.3)
    canvas.ripples(606, 60, "#9af7d626")


def starry_peaks(canvas: Canvas) -> None:
    canvas.sky("#070b24", "#142253", "#2f4a86", "#8b9ccb")
    canvas.stars(420, 560)
    crescent(canvas, 930, 165, 46)
    for n in range(9):
        x, share = canvas.rng.uniform(0, WIDTH), n / 8
        peak(canvas, x, 330 + 190 * share, 260 - 60 * share, mix("#5d72ad", "#26356b", share))
    canvas.mist(520, 760, "#b9c6e8", 0.35)
    canvas.land(canvas.ridge(700, 18, waves=9, jagged=0.85), "#0f1838")


def city_lights(canvas: Canvas) -> None:
    canvas.sky("#101935", "#2d3a6e", "#8d5a97", "#e9897e")
    canvas.glow(600, 600, 640, "#f6b48f", 0.8)
    for depth, colour in enumerate(("#4c4a7d", "#33366a", "#1d2350")):
        towers(canvas, 560, 170 + 40 * depth, colour)
    spire(canvas, 800, 560, "#151a40")
    canvas.mirror(560, "#141a3c", 0.35)
    canvas.ripples(565, 120, "#ffd79a30")


def harvest_moon(canvas: Canvas) -> None:
    canvas.sky("#1d1b3a", "#3b2b58", "#7a3b5e", "#c9695b")
    canvas.stars(140, 420)
    canvas.glow(640, 330, 520, "#ffd98f", 0.9)
    canvas.disc(640, 330, 190, "#ffe9b8")
    for x, y, size in ((570, 280, 34), (690, 400, 46), (710, 260, 22), (600, 420, 18)):
        canvas.disc(x, y, size, "#f2cf8f60")
    canvas.ranges(520, 690, 4, "#8a4a66", "#1c1531", 46)
    for n in range(7):
        bird(canvas, 430 + n * 66, 250 + 30 * abs(n - 2), 20 + 3 * (n % 3), "#3a2140")
    pagoda(canvas, 1010, 720, 1.25, "#120d24")
    canvas.land(canvas.ridge(715, 16, waves=9, jagged=0.8), "#120d24")


def misty_lake(canvas: Canvas) -> None:
    canvas.sky("#e9b9a6", "#f7dcc6", "#fbeedd", "#dfe8e4")
    canvas.glow(840, 250, 420, "#fff3d9")
    canvas.disc(840, 250, 42, "#fff8ea")
    canvas.ranges(330, 480, 4, "#b9cdd0", "#4f7d84", 60)
    pagoda(canvas, 285, 508, 0.9, "#2f5a62")
    canvas.mist(430, 560, "#eef3ee", 0.6)
    canvas.mirror(520, "#8fb4b4", 0.25)
    canvas.ripples(530, 70, "#ffffff40")
    boat(canvas, 700, 640, "#274a51")


def bamboo(canvas: Canvas) -> None:
    canvas.sky("#e7f3d4", "#cfe8b8", "#a9d18e", "#6f9f5f")
    canvas.glow(620, 160, 560, "#fffde6")
    for depth in range(4):
        for _ in range(9 + depth * 2):
            stem(canvas, canvas.rng.uniform(-20, WIDTH), 7 + depth * 7, mix("#b5d6a0", "#2f5d3a", depth / 3))
        canvas.mist(260, 860, "#dff0cf", 0.42 - depth * 0.12)


def lotus_pond(canvas: Canvas) -> None:
    canvas.sky("#0f3d45", "#14565a", "#1b6e68")
    canvas.glow(830, 200, 620, "#4fb3a3", 0.55)
    places = [(canvas.rng.uniform(0, WIDTH), canvas.rng.uniform(0, HEIGHT)) for _ in range(46)]
    for n, (x, y) in enumerate(sorted(places, key=lambda place: place[1])):
        pad(canvas, x, y, canvas.rng.uniform(38, 86))
        if n % 7 == 3:
            lotus(canvas, x, y - 12, canvas.rng.uniform(30, 44))


def tea_terraces(canvas: Canvas) -> None:
    canvas.sky("#a9d6e5", "#d7edea", "#f4f5dc", "#e6efb8")
    canvas.glow(230, 150, 360, "#fffbe0")
    canvas.ranges(270, 380, 3, "#a8c8c0", "#6aa391", 40)
    for n in range(15):
        y = 400 + n * 14 + n * n * 1.3
        rows = canvas.ridge(y, 30 + n * 1.5, waves=2, jagged=0.3)
        canvas.land(rows, mix("#9ccf6a", "#2e6b3f", n / 14))
        canvas.shape([*rows, *((x, y + 3 + n * 0.5) for x, y in reversed(rows))], "#e9f7b08c")


SCENES: tuple[Callable[[Canvas], None], ...] = (
    dunes,
    sunset_sea,
    northern_lights,
    starry_peaks,
    city_lights,
    harvest_moon,
    misty_lake,
    bamboo,
    lotus_pond,
    tea_terraces,
)
