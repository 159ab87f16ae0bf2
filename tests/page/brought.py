"""What is drawn on the page and dropped on it."""

import base64
import io
from typing import Any

import numpy as np
from PIL import Image
from playwright.sync_api import Page

DROP = """([names, type, encoded]) => {
  const bytes = Uint8Array.from(atob(encoded), (each) => each.charCodeAt(0));
  const data = new DataTransfer();
  for (const name of names) data.items.add(new File([bytes], name, { type }));
  dispatchEvent(new DragEvent("drop", { dataTransfer: data, bubbles: true, cancelable: true }));
}"""


def drop(page: Page, content: bytes, *names: str, kind: str = "image/png") -> None:
    """Drops a file of each name; all have the same content."""
    page.evaluate(DROP, [names, kind, encoded(content)])


def encoded(content: bytes) -> str:
    """Bytes as scripts of the page take them."""
    return base64.b64encode(content).decode()


def png(pixels: Any) -> bytes:
    file = io.BytesIO()
    Image.fromarray(np.asarray(pixels, np.uint8)).save(file, "PNG")
    return file.getvalue()


def bright(band: int, height: int = 28, width: int = 28) -> bytes:
    """A picture of which one of ten bands of rows is bright, as a PNG."""
    rows = np.arange(height) * 10 // height == band
    return png(np.outer(rows, np.full(width, 255)))


def draw(page: Page, *strokes: list[tuple[float, float]]) -> None:
    """Draws polylines with the mouse; places are fractions of the sheet."""
    box = page.get_by_label("Sheet to draw on").bounding_box()
    assert box is not None
    for stroke in strokes:
        for index, (x, y) in enumerate(stroke):
            page.mouse.move(box["x"] + x * box["width"], box["y"] + y * box["height"], steps=4)
            if index == 0:
                page.mouse.down()
        page.mouse.up()
