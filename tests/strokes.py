"""Digits drawn with a pen: polylines and arcs, a little different each time."""

from math import cos, pi, sin

import numpy as np
from PIL import Image, ImageDraw, ImageFilter

Point = tuple[float, float]
Stroke = list[Point]


def arc(x: float, y: float, rx: float, ry: float, *turn: float) -> Stroke:
    """Part of an ellipse, `turn` degrees clockwise from the right; y runs down."""
    angles = np.linspace(*turn, 25) * pi / 180
    return [(x + rx * cos(angle), y + ry * sin(angle)) for angle in angles]


# In a box of 1 by 1, as people write them.
DIGITS: list[list[Stroke]] = [
    [arc(0.5, 0.5, 0.3, 0.48, -90, 270)],
    [[(0.42, 0.2), (0.54, 0.04), (0.52, 0.97)]],
    [[*arc(0.5, 0.27, 0.28, 0.25, -160, 40), (0.2, 0.95), (0.82, 0.93)]],
    [[*arc(0.47, 0.26, 0.26, 0.23, -150, 85), *arc(0.47, 0.72, 0.3, 0.25, -85, 150)]],
    [[(0.3, 0.05), (0.2, 0.52), (0.8, 0.5)], [(0.7, 0.1), (0.66, 0.98)]],
    [[(0.78, 0.05), (0.32, 0.06), (0.26, 0.42), *arc(0.47, 0.68, 0.3, 0.28, -120, 150)]],
    [[(0.66, 0.03), (0.4, 0.25), (0.26, 0.6), *arc(0.49, 0.72, 0.24, 0.24, 180, -175)]],
    [[(0.18, 0.07), (0.8, 0.05), (0.62, 0.4), (0.42, 0.97)]],
    [[*arc(0.5, 0.27, 0.23, 0.22, 60, -240), *arc(0.5, 0.74, 0.27, 0.23, -110, 250),
      (0.6, 0.47)]],
    [[*arc(0.5, 0.29, 0.25, 0.25, -20, -380), (0.72, 0.3), (0.68, 0.6), (0.6, 0.97)]],
]  # fmt: skip


def drawn(
    digit: int,
    random: np.random.Generator,
    *,
    side: int = 280,
    size: float = 0.6,
    pen: float = 0.1,
    centre: Point = (0.5, 0.5),
    ink: tuple[int, ...] = (0, 0, 0),
    ground: tuple[int, ...] = (255, 255, 255),
) -> Image.Image:
    """A square picture, `side` pixels wide; `size` is the digit's share of it, `pen` of the digit.

    A ground of four numbers makes it RGBA.
    """
    slant, turn = random.normal(0.12, 0.1), random.normal(0, 0.06)
    stretch, wobble = random.uniform(0.8, 1.1), random.normal(0, 0.012, (200, 2))
    scale = 4  # drawn larger, then averaged down
    picture = Image.new("RGBA" if len(ground) == 4 else "RGB", (side * scale,) * 2, ground)
    brush = ImageDraw.Draw(picture)
    width = max(1, round(pen * size * side * scale))

    def placed(point: Point, number: int) -> Point:
        x, y = np.array(point) - 0.5 + wobble[number]
        x = (x - slant * y) * stretch
        x, y = x * cos(turn) - y * sin(turn), x * sin(turn) + y * cos(turn)
        return tuple((np.array(centre) + size * np.array([x, y])) * side * scale)

    for stroke in DIGITS[digit]:
        points = [placed(point, number // 8) for number, point in enumerate(stroke)]
        brush.line(points, fill=ink, width=width, joint="curve")
        for x, y in points:
            radius = width / 2
            brush.ellipse((x - radius, y - radius, x + radius, y + radius), fill=ink)
    return picture.resize((side, side), Image.Resampling.BOX)


def scanned(
    digit: int, random: np.random.Generator, *, sides: int = 4, **options: float
) -> Image.Image:
    """A sheet on a scanner's glass: grey noise, and a black frame along some of the `sides`."""
    page = np.asarray(drawn(digit, random, size=random.uniform(0.3, 0.6), **options), np.float32)
    height, width, _ = page.shape
    page = page * (random.uniform(225, 250) / 255) + random.normal(0, 3, page.shape)
    for side in random.permutation(4)[:sides]:
        frame = round(random.uniform(0.02, 0.09) * width)
        edge = [np.s_[:frame], np.s_[height - frame :], np.s_[:, :frame], np.s_[:, width - frame :]]
        page[edge[side]] = random.normal(12, 5, page[edge[side]].shape)
    return Image.fromarray(page.clip(0, 255).astype(np.uint8))


def on_table(digit: int, random: np.random.Generator, *, side: int = 700) -> Image.Image:
    """A photo of a sheet that lies, a little turned, on a dark table of wood, under a lamp."""
    table = np.ones((side, side, 3)) * random.uniform((50, 30, 15), (100, 70, 50))
    grain = np.sin(np.arange(side) / random.uniform(4, 15) + random.uniform(0, 6)) * 10
    table += grain[:, None, None] + random.normal(0, 6, table.shape)
    picture = Image.fromarray(table.clip(0, 255).astype(np.uint8))
    long, short = (round(side * part) for part in (random.uniform(0.6, 0.8), 0.5))
    sheet = drawn(digit, random, side=long, size=random.uniform(0.3, 0.5), ground=(240, 238, 230))
    sheet = sheet.crop(((long - short) // 2, 0, (long + short) // 2, long)).convert("RGBA")
    sheet = sheet.rotate(random.uniform(-12, 12), Image.Resampling.BICUBIC, expand=True)
    place = [round(random.uniform(0.02, 0.98) * (side - length)) for length in sheet.size]
    picture.paste(sheet, (max(0, place[0]), max(0, place[1])), sheet)
    light = np.linspace(random.uniform(0.6, 0.9), 1, side)[None, :, None]
    photo = np.asarray(picture.filter(ImageFilter.GaussianBlur(1.2)), np.float32) * light
    return Image.fromarray((photo + random.normal(0, 4, photo.shape)).clip(0, 255).astype("u1"))
