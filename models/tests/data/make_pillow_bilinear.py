"""Makes pillow_bilinear.json: what Pillow's resize gives on mode "F". Needs numpy and Pillow; the result is committed."""

import json
from pathlib import Path

import numpy as np
import PIL
from PIL import Image

CASES = [
    (37, 53, 16, 16, True),
    (64, 48, 24, 24, True),
    (50, 31, 10, 7, False),
    (5, 4, 12, 9, False),
    (300, 257, 31, 31, True),
    (20, 20, 20, 20, True),
    (20, 33, 20, 11, False),
]

about = (
    f"Pillow {PIL.__version__}, Image.resize(BILINEAR), mode F; input v[y][x] = "
    "((37x + 91y + 13(xy mod 251)) mod 4096) / 4095 in single precision, padded to a centred square where square is true"
)
cases = []
for width, height, out_width, out_height, square in CASES:
    y, x = np.mgrid[0:height, 0:width]
    values = (((37 * x + 91 * y + 13 * ((x * y) % 251)) % 4096) / np.float32(4095)).astype(np.float32)
    if square:
        side = max(width, height)
        canvas = np.zeros((side, side), np.float32)
        top, left = (side - height) // 2, (side - width) // 2
        canvas[top : top + height, left : left + width] = values
        values = canvas
    small = np.asarray(Image.fromarray(values).resize((out_width, out_height), Image.Resampling.BILINEAR))
    case = {"width": width, "height": height, "out_width": out_width, "out_height": out_height, "square": square}
    case["values"] = [float(np.format_float_positional(v, unique=True)) for v in small.ravel()]
    cases.append(case)
text = json.dumps({"about": about, "cases": cases}, separators=(",", ":")).replace('{"width"', '\n{"width"')
(Path(__file__).parent / "pillow_bilinear.json").write_text(text + "\n")
