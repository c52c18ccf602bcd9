"""The embedded model's pictures: a landscape out of the prompt's hash, with the prompt written on it."""

from __future__ import annotations

import colorsys
import hashlib
import textwrap
import time
from functools import partial

from app.adapters.pictures import count_of, size_of, wish
from app.domain.chat import ProviderCall
from app.domain.errors import ProviderFault
from app.domain.events import Delta, Finish, Picture, ProviderEvents, UsageReport
from app.domain.policies.tokens import PICTURE_TOKENS, estimate, estimate_prompt
from app.domain.usage import Usage
from app.services.llm.base import BaseLLMService
from app.utils.cancel import Cancel
from app.utils.canvas import Canvas, Colour
from app.utils.glyphs import HEIGHT, WIDTH, plain
from app.utils.patience import Patience
from app.utils.pools import ThreadLane

SIDE = 512
LEAST, MOST = 64, 2_048
BANDS = 32
SUN, FAR, NEAR, PAPER, INK = range(BANDS, BANDS + 5)
MOST_LINES = 8
SHOWN = 1_000  # characters of the prompt
SAID = "This picture was drawn by the demo model that is built into this server; no provider was asked."

#: The largest one takes a third of a second.
_lane = ThreadLane(1)


class DemoPictures(BaseLLMService):
    def chat(self, call: ProviderCall, patience: Patience, cancel: Cancel) -> ProviderEvents:
        count, asked = count_of(call.params), wish(call.messages)
        yield Delta(SAID)
        for n in range(count):
            if cancel.reason is not None:
                raise ProviderFault("cancelled", cancel.reason)
            if time.monotonic() > patience.deadline:
                raise ProviderFault("stalled", "the demo's time is over")
            yield Picture(_lane.run(partial(drawing, asked, size_of(call.params) or (SIDE, SIDE), n)), "image/png")
        yield UsageReport(
            Usage(
                estimate_prompt(call.messages),
                estimate(SAID) + count * PICTURE_TOKENS,
                picture_tokens=count * PICTURE_TOKENS,
            )
        )
        yield Finish("stop")


def drawing(text: str, size: tuple[int, int], n: int = 0) -> bytes:
    """A PNG that shows the text; the n-th of the same words is another one."""
    width, height = (max(LEAST, min(side, MOST)) for side in size)
    dice = hashlib.sha256(f"{n} {text}".encode("utf-8", "replace")).digest()
    canvas = Canvas(width, height, _palette(dice))
    for band in range(BANDS):
        canvas.box(0, height * band // BANDS, width, height * (band + 1) // BANDS, band)
    canvas.disc(width * (40 + dice[0] // 2) // 256, height * (50 + dice[1] // 4) // 256, min(width, height) // 9, SUN)
    for place, colour in ((2, FAR), (5, FAR), (8, NEAR), (11, NEAR)):
        top = height * ((110 if colour == FAR else 150) + dice[place] // 5) // 256
        canvas.peak(width * dice[place + 1] // 256, top, 0.8 + dice[place + 2] / 200, colour)
    _write(canvas, plain(text[:SHOWN]) or "nothing")
    return canvas.png()


def _write(canvas: Canvas, text: str) -> None:
    """The words on a strip of paper at the foot, in letters as large as there is room for."""
    for scale in range(max(1, canvas.width // 170), 0, -1):
        letters = max(1, canvas.width // ((WIDTH + 1) * scale) - 2)
        lines = textwrap.wrap(text, letters)
        if len(lines) <= MOST_LINES:
            break
    if len(lines) > MOST_LINES:
        lines = [*lines[: MOST_LINES - 1], lines[MOST_LINES - 1][: letters - 3] + "..."]
    line = (HEIGHT + 2) * scale
    top = canvas.height - (len(lines) + 1) * line
    canvas.box(0, top, canvas.width, canvas.height, PAPER)
    for index, words in enumerate(lines):
        canvas.text(WIDTH * scale, top + line // 2 + index * line, words, INK, scale)


def _palette(dice: bytes) -> list[Colour]:
    """From the zenith to the horizon, then sun, far and near mountains, paper and ink."""
    hue = dice[20] / 255
    sky = [
        _colour(hue + 0.12 * band / BANDS, 0.75 - 0.5 * band / BANDS, 0.55 + 0.4 * band / BANDS)
        for band in range(BANDS)
    ]
    return [
        *sky,
        _colour(0.13, 0.45, 1.0),
        _colour(hue + 0.5, 0.35, 0.55),
        _colour(hue + 0.5, 0.45, 0.32),
        (250, 248, 242),
        (33, 33, 41),
    ]


def _colour(hue: float, saturation: float, value: float) -> Colour:
    red, green, blue = colorsys.hsv_to_rgb(hue % 1.0, saturation, value)
    return int(red * 255), int(green * 255), int(blue * 255)
