"""What stands in the landscapes: a pagoda, a boat, towers, leaves."""

import math

from PIL import Image, ImageDraw, ImageFilter

from demo_site.gallery.pictures.canvas import HEIGHT, WIDTH, Canvas, mix


def pagoda(canvas: Canvas, x: float, ground: float, scale: float, colour: str) -> None:
    for floor in range(6):
        half, y = (34 - floor * 4) * scale, ground - (floor + 1) * 24 * scale
        canvas.box(x - half * 0.62, y, half * 1.24, 26 * scale, colour)
        eaves = [(x - half - 8 * scale, y + 2 * scale), (x - half * 0.6, y - 7 * scale)]
        canvas.shape([*eaves, *((2 * x - ex, ey) for ex, ey in reversed(eaves))], colour)
    top = ground - 150 * scale
    canvas.shape([(x - 5 * scale, top + 4), (x, top - 34 * scale), (x + 5 * scale, top + 4)], colour)


def crescent(canvas: Canvas, x: float, y: float, radius: float) -> None:
    """A half circle, hollowed by a flatter one through the same two tips."""
    canvas.glow(x, y, radius * 7, "#dfe8ff", 0.7)
    tilt = -0.5
    for_edge = [math.pi * (n / 30 - 0.5) for n in range(31)]
    rim = [(math.cos(a), math.sin(a)) for a in for_edge] + [
        (0.45 * math.cos(a), math.sin(a)) for a in reversed(for_edge)
    ]
    turned = [
        (u * math.cos(tilt) - v * math.sin(tilt), u * math.sin(tilt) + v * math.cos(tilt)) for u, v in rim
    ]
    canvas.shape([(x + radius * u, y + radius * v) for u, v in turned], "#f4f6ff")


def peak(canvas: Canvas, x: float, top: float, tall: float, colour: str) -> None:
    """A mountain lit from the right, with snow down to a ragged line."""
    half, foot = tall * 1.25, top + tall * 2
    canvas.shape([(x, top), (x - half * 2, foot), (x + half * 2, foot)], colour)
    canvas.shape([(x, top), (x + half * 0.3, foot), (x - half * 2, foot)], mix(colour, "#0b1233", 0.35))
    for side, snow in ((1, "#f3f6ff"), (-1, "#b4c1e6")):
        teeth = [
            (x + side * half * (0.36 - n * 0.06), top + tall * (0.36 + (0.1 if n % 2 else -0.06)))
            for n in range(1, 6)
        ]
        canvas.shape(
            [(x, top), (x + side * half * 0.36, top + tall * 0.36), *teeth, (x, top + tall * 0.42)], snow
        )


def boat(canvas: Canvas, x: float, y: float, colour: str) -> None:
    canvas.shape([(x - 74, y - 10), (x - 48, y + 9), (x + 48, y + 9), (x + 74, y - 10), (x, y - 1)], colour)
    canvas.shape([(x - 30, y), (x - 26, y - 20), (x, y - 27), (x + 26, y - 20), (x + 30, y)], colour)
    canvas.shape([(x - 60, y + 12), (x + 60, y + 12), (x + 34, y + 26), (x - 34, y + 26)], colour + "40")


def towers(canvas: Canvas, ground: float, tallest: float, colour: str) -> None:
    x = canvas.rng.uniform(-40, 0)
    while x < WIDTH:
        width, height = canvas.rng.uniform(38, 84), canvas.rng.uniform(0.35, 1.0) * tallest
        canvas.box(x, ground - height, width, height, colour)
        windows(canvas, x, ground - height, width, height)
        x += width + canvas.rng.choice((0, 0, 6, 14))


def windows(canvas: Canvas, x: float, top: float, width: float, height: float) -> None:
    for row in range(1, int(height / 11)):
        for column in range(1, int(width / 9)):
            if canvas.rng.random() < 0.3:
                lit = canvas.rng.choice(("#ffd98acc", "#ffe9bdb0", "#9fd3ff80"))
                canvas.box(x + column * 9 - 3, top + row * 11 - 3, 4, 5, lit)


def spire(canvas: Canvas, x: float, ground: float, colour: str) -> None:
    canvas.shape([(x - 26, ground), (x - 6, ground - 330), (x + 6, ground - 330), (x + 26, ground)], colour)
    canvas.box(x - 1.5, ground - 420, 3, 100, colour)
    for y, radius in ((ground - 110, 34), (ground - 265, 22), (ground - 335, 10)):
        canvas.glow(x, y, radius * 2.2, "#ff7fa8", 0.7)
        canvas.disc(x, y, radius, "#c2487e")
        canvas.disc(x - radius * 0.25, y - radius * 0.3, radius * 0.5, "#ff9fc070")


def curtain(canvas: Canvas, base: float, colour: str) -> None:
    """A hanging veil of light: bright along a wandering lower edge, fading upwards."""
    veil = Image.new("L", (WIDTH, HEIGHT))
    draw = ImageDraw.Draw(veil)
    edge, sway = canvas.ridge(base, 46, waves=3), canvas.ridge(0, 0.3, waves=8, jagged=0.85)
    for (x, y), (_, more) in zip(edge, sway, strict=True):
        tall = 230 + 60 * math.tanh(more)
        for step in range(30):
            light = (130 + 60 * math.tanh(more)) * (1 - step / 30) ** 1.6
            draw.rectangle((x, y - (step + 1) * tall / 30, x + 4, y - step * tall / 30), fill=round(light))
    veil = veil.filter(ImageFilter.GaussianBlur(9)).resize(canvas.image.size, Image.Resampling.BICUBIC)
    canvas.image.paste(colour, mask=veil)


def stem(canvas: Canvas, x: float, width: float, colour: str) -> None:
    lean, joint = canvas.rng.uniform(-40, 40), canvas.rng.uniform(-90, 0)
    for n in range(12):
        y, left = joint + n * 90, x + lean * n / 12
        canvas.box(left, y, width, 86, colour)
        canvas.box(left, y, width * 0.28, 86, "#ffffff30")
        canvas.box(left - width * 0.08, y + 84, width * 1.16, 4, mix(colour, "#17351f", 0.4))
        if canvas.rng.random() < 0.35:
            leaves(canvas, left + width / 2, y + 84, width, colour)


def leaves(canvas: Canvas, x: float, y: float, width: float, colour: str) -> None:
    for _ in range(4):
        angle, long = canvas.rng.uniform(-0.5, 2.2), 34 + width * 2.4
        tip = (x + long * math.cos(angle), y + long * math.sin(angle) * 0.8)
        side = (x + long * 0.4 * math.cos(angle + 0.22), y + long * 0.4 * math.sin(angle + 0.22) * 0.8)
        canvas.shape(
            [(x, y), side, tip, (2 * (x + tip[0]) / 4, 2 * (y + tip[1]) / 4)], mix(colour, "#4c8f45", 0.5)
        )


def pad(canvas: Canvas, x: float, y: float, radius: float) -> None:
    """A floating leaf with its notch, a shadow below it and veins on it."""
    green, turn = mix("#3f8f5a", "#9acb6b", canvas.rng.random()), canvas.rng.uniform(0, math.tau)
    rim = [(math.cos(turn + a / 20), math.sin(turn + a / 20) * 0.62) for a in range(6, 121)]
    canvas.disc(x + 6, y + 10, radius, "#06232a70", flat=0.62)
    canvas.shape([(x, y), *((x + radius * dx, y + radius * dy) for dx, dy in rim)], green)
    for dx, dy in rim[8::13]:
        end, across = (x + radius * 0.9 * dx, y + radius * 0.9 * dy), 1.2
        canvas.shape([(x - across, y), end, (x + across, y)], "#e8f6c850")


def lotus(canvas: Canvas, x: float, y: float, size: float) -> None:
    for layer, colour in ((1.0, "#e0709c"), (0.8, "#f29bbb"), (0.58, "#fbc6d8")):
        for n in range(7):
            angle = math.pi * (1.08 + 0.84 * n / 6) if layer < 1 else math.pi * (1.0 + n / 6)
            tip = (x + size * layer * 1.15 * math.cos(angle), y + size * layer * math.sin(angle) - size * 0.1)
            wide = size * 0.22
            canvas.shape(
                [(x - wide, y + size * 0.2), tip, (x + wide, y + size * 0.2), (x, y + size * 0.36)], colour
            )
    canvas.disc(x, y + size * 0.12, size * 0.16, "#ffe08a")


def bird(canvas: Canvas, x: float, y: float, span: float, colour: str) -> None:
    for side in (-1, 1):
        wing = ((0, 0.12), (0.35, -0.26), (0.65, -0.34), (1.0, -0.2), (0.66, -0.2), (0.36, -0.08), (0, 0.24))
        canvas.shape([(x + side * span * along, y + span * up) for along, up in wing], colour)
