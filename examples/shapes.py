"""Draws pictures to train on where none are at hand: circles, squares and triangles.

    python examples/shapes.py FOLDER

FOLDER gets a folder for each shape, and beside it FOLDER-new.png is one more triangle.
"""

import math
import random
import sys
from pathlib import Path

from PIL import Image, ImageDraw

CORNERS = {"circle": 40, "square": 4, "triangle": 3}
EACH, SIDE = 200, 32


def drawn(corners: int, draw: random.Random) -> Image.Image:
    """A filled shape somewhere on a ground of another brightness, turned by chance."""
    ground = draw.randrange(140, 256)
    picture = Image.new("RGB", (SIDE, SIDE), tuple(ground - draw.randrange(40) for _ in range(3)))
    radius, turn = draw.uniform(7, 13), draw.uniform(0, 2 * math.pi)
    x, y = (draw.uniform(radius, SIDE - radius) for _ in range(2))
    angles = [turn + 2 * math.pi * corner / corners for corner in range(corners)]
    outline = [(x + radius * math.cos(at), y + radius * math.sin(at)) for at in angles]
    color = tuple(draw.randrange(110) for _ in range(3))
    ImageDraw.Draw(picture).polygon(outline, fill=color)
    return picture


folder, draw = Path(sys.argv[1]), random.Random(0)
for name, corners in CORNERS.items():
    (folder / name).mkdir(parents=True, exist_ok=True)
    for number in range(EACH):
        drawn(corners, draw).save(folder / name / f"{number}.png")
drawn(CORNERS["triangle"], draw).save(f"{folder}-new.png")
