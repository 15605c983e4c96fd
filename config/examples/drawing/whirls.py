"""The style picture: a starry night over fields in thick, whirling strokes."""

from __future__ import annotations

import numpy as np
from PIL import Image, ImageDraw, ImageFilter

from drawing.canvas import HEIGHT, WIDTH, Field, H, W, drawn, gradient, ink, mix, noise

#: Whirls of the painting: column and row in 0..1, radius in picture heights, turning direction.
WHIRLS = [
    (0.37, 0.34, 0.30, 1.0),
    (0.62, 0.44, 0.22, -1.0),
    (0.08, 0.14, 0.16, -1.0),
    (0.90, 0.16, 0.22, 1.0),
]
#: Stars: column and row in 0..1, radius in picture heights.
STARS = [
    (0.90, 0.16, 0.10),
    (0.16, 0.40, 0.055),
    (0.08, 0.14, 0.06),
    (0.30, 0.10, 0.045),
    (0.57, 0.13, 0.055),
    (0.73, 0.27, 0.04),
    (0.78, 0.53, 0.05),
]


def hills(x: Field) -> list[Field]:
    """Return the rows (0..1) where the painting's three hills begin, for columns `x` in 0..1."""
    return [
        0.70 + 0.06 * np.sin(5.0 * x + 0.6) - 0.03 * np.sin(11 * x),
        0.78 + 0.05 * np.sin(4.2 * x + 3.4),
        0.88 + 0.04 * np.sin(6.0 * x + 1.0),
    ]


def painting() -> tuple[Field, Field, Field]:
    """Return what the brush follows: colors `(H, W, 3)` and the flow's two parts `(H, W)`."""
    rng = np.random.default_rng(41)
    y, x = np.mgrid[0:H, 0:W].astype(float)
    x, y = x / W, y / H
    aspect = W / H
    flow_x, flow_y = np.ones((H, W)), 0.35 * np.cos(6 * x) + 0.5 * (noise(rng, (W, H), 4, 2) - 0.5)
    bands = 3.2 * y + 0.5 * np.sin(5 * x + 1.0)
    for column, row, radius, turn in WHIRLS:
        across, down = (x - column) * aspect, y - row
        distance = np.hypot(across, down) + 1e-6
        pull = 3.2 * np.exp(-((distance / radius) ** 2))
        flow_x += pull * -turn * down / distance
        flow_y += pull * turn * across / distance
        arms = np.arctan2(down, across) * turn / np.pi + 4.5 * distance / radius
        near = np.exp(-((distance / radius) ** 4))
        bands = bands * (1 - near) + arms * near
    night = [
        (0.00, (16.0, 30.0, 92.0)),
        (0.18, (30.0, 66.0, 158.0)),
        (0.38, (56.0, 124.0, 196.0)),
        (0.55, (132.0, 188.0, 204.0)),
        (0.68, (236.0, 228.0, 178.0)),
        (0.80, (84.0, 150.0, 176.0)),
        (1.00, (16.0, 30.0, 92.0)),
    ]
    canvas = gradient(night, (bands + 0.25 * noise(rng, (W, H), 8, 3)) % 1.0)
    fire = [
        (0.0, (255.0, 250.0, 214.0)),
        (0.3, (255.0, 222.0, 84.0)),
        (0.55, (246.0, 158.0, 34.0)),
        (0.7, (238.0, 204.0, 92.0)),
        (0.85, (150.0, 190.0, 160.0)),
        (1.0, (60.0, 120.0, 186.0)),
    ]
    for column, row, radius in STARS:
        across, down = (x - column) * aspect, y - row
        distance = np.hypot(across, down) + 1e-6
        halo = ((1.75 * radius - distance) / (0.3 * radius)).clip(0, 1)
        canvas = mix(canvas, gradient(fire, distance / (1.75 * radius)), halo)
        ring = np.exp(-((distance / (1.7 * radius)) ** 6))
        flow_x = flow_x * (1 - ring) - 2 * ring * down / distance
        flow_y = flow_y * (1 - ring) + 2 * ring * across / distance
    fields = [
        [(34.0, 62.0, 98.0), (64.0, 122.0, 110.0), (150.0, 168.0, 84.0)],
        [(40.0, 92.0, 66.0), (196.0, 170.0, 52.0), (232.0, 206.0, 96.0)],
        [(112.0, 38.0, 30.0), (214.0, 84.0, 36.0), (246.0, 170.0, 60.0)],
    ]
    slopes = [np.gradient(row, axis=1) * H for row in hills(x)]
    for top, slope, colors in zip(hills(x), slopes, fields, strict=True):
        furrow = 0.5 + 0.5 * np.sin((y - top) * 130 + 9 * np.sin(7 * x + 4 * y))
        crop = gradient([(0.0, colors[0]), (0.5, colors[1]), (1.0, colors[2])], furrow)
        land = ((y - top) * H / 3).clip(0, 1)
        crop = mix(crop, (14, 24, 52), np.exp(-(((y - top) * H / 9) ** 2)) * 0.8)
        canvas = mix(canvas, crop, land)
        flow_x = flow_x * (1 - land) + land
        flow_y = flow_y * (1 - land) + land * (slope + 0.5 * np.cos(9 * x + 5 * y))
    canvas, flow_x, flow_y = cypress(canvas, flow_x, flow_y)
    length = np.hypot(flow_x, flow_y) + 1e-6
    return canvas, flow_x / length, flow_y / length


def cypress(canvas: Field, flow_x: Field, flow_y: Field) -> tuple[Field, Field, Field]:
    """Return the painting with a dark tree that flames up on the left."""
    y, x = np.mgrid[0:H, 0:W].astype(float)
    x, y = x / W, y / H
    rise = ((0.97 - y) / 0.72).clip(0, 1)
    sway = 0.235 + 0.016 * np.sin(9 * y)
    half = 0.062 * np.sqrt(rise) * (1 - rise) ** 0.55 * (1.7 + 0.2 * np.sin(24 * y))
    inside = ((half - np.abs(x - sway)) * W / 3).clip(0, 1) * (y < 0.97)
    tongues = 0.5 + 0.5 * np.sin(95 * (x - sway) + 7 * np.sin(13 * y))
    green = gradient(
        [(0.0, (10.0, 20.0, 28.0)), (0.6, (24.0, 62.0, 44.0)), (1.0, (104.0, 104.0, 40.0))], tongues
    )
    canvas = mix(canvas, green, inside)
    flow_x = flow_x * (1 - inside) + inside * 0.35 * np.sin(26 * y)
    flow_y = flow_y * (1 - inside) - inside
    return canvas, flow_x, flow_y


def paint(
    under: Image.Image,
    relief: Image.Image,
    subject: tuple[Field, Field, Field],
    brush: tuple[int, int, int],
    rng: np.random.Generator,
) -> None:
    """Cover `under` with strokes, and `relief` (mode L) with how thick their paint is.

    `subject` is what `painting` returns; `brush` is the strokes' number, length and width in
    pixels. A stroke follows the flow; it is a bundle of bristles that differ a little in color.
    """
    colors, flow_x, flow_y = subject
    count, length, width = brush
    pen, knife = ImageDraw.Draw(under), ImageDraw.Draw(relief)
    starts = rng.uniform((-length / 2, 0), (W, H), (count, 2))
    steps = max(4, length // 8)
    for start in starts:
        x, y = start
        color = colors[int(y), max(0, int(x))] + rng.normal(0, 9) + rng.normal(0, 7, 3)
        spine = []
        for _ in range(steps):
            column, row = int(min(max(x, 0), W - 1)), int(min(max(y, 0), H - 1))
            across, down = flow_x[row, column], flow_y[row, column]
            spine.append((x, y, -down, across))
            x, y = x + across * length / steps, y + down * length / steps
        bristles = max(3, width // 3)
        for bristle in rng.permutation(bristles):
            offset = (bristle + 0.5) / bristles * 2 - 1
            # Outer bristles leave the canvas earlier, so that strokes end round.
            used = spine[: max(2, round(steps * (1 - 0.25 * abs(offset) * rng.random())))]
            line = [
                (px + nx * offset * width / 2, py + ny * offset * width / 2)
                for px, py, nx, ny in used
            ]
            thick = max(2, round(1.6 * width / bristles))
            pen.line(line, fill=ink(color + rng.normal(0, 11)), width=thick, joint="curve")
            body = int(120 + 90 * (1 - offset * offset) + rng.normal(0, 26))
            knife.line(line, fill=min(255, max(0, body)), width=thick, joint="curve")


def whirls() -> Image.Image:
    """Return the style picture, WIDTH x HEIGHT."""
    rng = np.random.default_rng(7)
    subject = painting()
    under, _ = drawn(subject[0] * 0.55)
    relief = Image.new("L", (W, H), 90)
    for brush in [(1500, 150, 34), (3200, 105, 22), (4200, 64, 14)]:
        paint(under, relief, subject, brush, rng)
    # Light from the upper left on the ridges of the paint.
    height = np.asarray(relief.filter(ImageFilter.GaussianBlur(1.5)), dtype=float)
    slope = np.gradient(height, axis=0) + np.gradient(height, axis=1)
    canvas = np.asarray(under).astype(float) + (2.2 * slope).clip(-46, 46)[..., np.newaxis]
    image, _ = drawn(canvas)
    return image.resize((WIDTH, HEIGHT), Image.Resampling.LANCZOS)
