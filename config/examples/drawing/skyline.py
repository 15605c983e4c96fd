"""The content picture: a city on a bay at dusk."""

from __future__ import annotations

import numpy as np
from PIL import Image, ImageDraw, ImageFilter

from drawing.canvas import HEIGHT, WIDTH, Field, H, W, drawn, gradient, ink, mix, noise

#: Where water meets land in the content, in rows from the top.
SHORE = int(0.64 * H)
#: The sun's column and row.
SUN = (int(0.40 * W), int(0.33 * H))


def sky() -> Field:
    """Return the evening sky `(H, W, 3)` with its sun and clouds."""
    rng = np.random.default_rng(11)
    y, x = np.mgrid[0:H, 0:W].astype(float)
    stops = [
        (0.0, (24.0, 38.0, 92.0)),
        (0.35, (74.0, 96.0, 160.0)),
        (0.62, (196.0, 142.0, 150.0)),
        (0.85, (250.0, 178.0, 104.0)),
        (1.0, (255.0, 214.0, 140.0)),
    ]
    canvas = gradient(stops, y / SHORE)
    distance = np.hypot(x - SUN[0], y - SUN[1]) / H
    canvas = mix(canvas, (255, 226, 150), 0.8 * np.exp(-((distance / 0.22) ** 2)))
    canvas = mix(canvas, (255, 250, 220), ((0.058 - distance) / 0.004).clip(0, 1))
    # Clouds lie flat: noise that is stretched sideways, and lit from below.
    flat = noise(rng, (W, 3 * H), 5, 6)
    drift = noise(rng, (W, H), 4, 3)
    rows = (2.6 * y + 130 * drift).astype(int) % (3 * H)
    thick = flat[rows, x.astype(int)]
    fade = (y / (0.05 * H)).clip(0, 1) * (1 - (y / SHORE) ** 3).clip(0, 1)
    body = ((thick - 0.53) / 0.16).clip(0, 1) * fade
    lit = ((thick - flat[(rows + 26) % (3 * H), x.astype(int)]) * 7 + 0.5).clip(0, 1)
    warm = gradient(
        [(0.0, (96.0, 92.0, 138.0)), (0.55, (216.0, 150.0, 146.0)), (1.0, (255.0, 222.0, 170.0))],
        lit * (0.35 + 0.65 * y / SHORE).clip(0, 1) + 0.25 * np.exp(-((distance / 0.4) ** 2)),
    )
    return mix(canvas, warm, 0.85 * body)


def mountains(canvas: Field) -> Field:
    """Return `canvas` with three ranges before its sky, each nearer one darker."""
    rng = np.random.default_rng(5)
    y = np.mgrid[0:H, 0:W][0]
    ranges = [
        (0.54, 0.22, 4, (142.0, 122.0, 160.0)),
        (0.60, 0.15, 6, (104.0, 92.0, 138.0)),
        (0.64, 0.10, 9, (66.0, 72.0, 108.0)),
    ]
    for foot, rise, cells, color in ranges:
        top = H * (foot - rise * (noise(rng, (W, 8), cells, 7)[0] - 0.2))
        depth = (y - top) / (0.2 * H)
        # Rock that falls away on both sides of its ridges, lit from the sun's side.
        relief = np.abs(noise(rng, (W, H), 14, 5) - 0.5)
        light = (np.gradient(relief, axis=1) * np.sign(SUN[0] - np.arange(W)) * 90).clip(-1, 1)
        rock = np.asarray(color) * (1 + 0.3 * light)[..., np.newaxis]
        canvas = mix(
            canvas, mix(rock, (236, 176, 152), (0.8 * depth).clip(0, 0.6)), (depth * 60).clip(0, 1)
        )
    return canvas


def tower(
    pen: ImageDraw.ImageDraw, rng: np.random.Generator, left: int, width: int, top: int, near: float
) -> None:
    """Draw one building with a lit and a shaded face; `near` is 0 (in the haze) .. 1."""
    haze, wall = np.array([188, 142, 150]), rng.uniform(0.8, 1.15) * np.array([92, 78, 104])
    wall = haze + (wall - haze) * (0.35 + 0.65 * near)
    lit_share = rng.uniform(0.25, 0.5)
    edge = left + int(width * (lit_share if left > SUN[0] else 1 - lit_share))
    bright, dark = wall * 1.35 + [30, 12, 0], wall * 0.62
    first, second = (bright, dark) if left > SUN[0] else (dark, bright)
    pen.rectangle((left, top, edge, SHORE), fill=ink(first))
    pen.rectangle((edge, top, left + width, SHORE), fill=ink(second))
    pen.rectangle((left - 2, top, left + width + 2, top + 5), fill=ink(wall * 0.9))
    step, floor = rng.choice([9, 11, 13]), rng.choice([12, 15])
    for x in range(left + 5, left + width - 6, step):
        for y in range(top + 14, SHORE - 10, floor):
            if abs(x + 2 - edge) < 5:
                continue
            glow = rng.random() < 0.4
            pane = [255, 214, 128] if glow else wall * 0.5
            pen.rectangle((x, y, x + 4, y + 6), fill=ink(haze + (pane - haze) * (0.4 + 0.6 * near)))
    roof = rng.integers(4)
    middle = left + width // 2
    if roof == 1:
        pen.rectangle((left + width // 4, top - 22, left + 3 * width // 4, top), fill=ink(dark))
        pen.line((middle, top - 22, middle, top - 74), fill=ink(dark), width=4)
    elif roof == 2:
        pen.polygon([(left, top), (left + width, top), (middle, top - width)], fill=ink(dark))
        pen.polygon([(left, top), (edge, top), (middle, top - width)], fill=ink(first))
    elif roof == 3:
        pen.pieslice(
            (left, top - width // 2, left + width, top + width // 2), 180, 360, fill=ink(bright)
        )
        pen.pieslice(
            (left, top - width // 2, left + width, top + width // 2), 250, 360, fill=ink(dark)
        )


def city(canvas: Field) -> Field:
    """Return `canvas` with three rows of buildings on the shore, the nearest one last."""
    rng = np.random.default_rng(23)
    image, pen = drawn(canvas)
    for near, low, high in [(0.1, 0.10, 0.26), (0.5, 0.06, 0.30), (1.0, 0.03, 0.15)]:
        left = -10
        while left < W:
            width = int(rng.integers(34, 74))
            # The city is highest right of the middle and falls to both sides.
            crowd = 0.25 + 0.75 * np.exp(-(((left / W - 0.68) / 0.2) ** 2))
            height = rng.uniform(low, low + (high - low) * crowd) * H
            if rng.random() < 0.85:
                tower(pen, rng, left, width, int(SHORE - height), near)
            left += width + int(rng.integers(-8, 16))
    return np.asarray(image).astype(float)


def bridge(canvas: Field) -> Field:
    """Return `canvas` with a suspension bridge that leads out of the picture on the left."""
    image, pen = drawn(canvas)
    steel, deck = (150, 62, 50), SHORE - 44
    pylons, end = (int(0.06 * W), int(0.27 * W)), int(0.38 * W)
    for x in pylons:
        pen.rectangle((x - 7, deck - 120, x + 7, SHORE + 6), fill=steel)
        pen.rectangle((x + 2, deck - 120, x + 7, SHORE + 6), fill=(104, 42, 46))
    for x in range(0, end, 3):
        if x < pylons[1]:
            # Between the pylons the cable is a parabola that touches the deck's railing.
            place = (2 * x - sum(pylons)) / (pylons[1] - pylons[0])
            cable = deck - 8 - 112 * min(1.0, place * place)
            if x < pylons[0]:
                cable = deck - 120 + (pylons[0] - x) * 0.7
        else:
            cable = deck - 120 * (end - x) / (end - pylons[1])
        pen.ellipse((x - 2, cable - 2, x + 2, cable + 2), fill=steel)
        if x % 18 == 0:
            pen.line((x, cable, x, deck), fill=(128, 66, 64), width=2)
    pen.rectangle((0, deck, end, deck + 9), fill=steel)
    pen.rectangle((0, deck + 9, end, deck + 13), fill=(84, 36, 44))
    pen.polygon([(end, deck), (end + 90, SHORE), (end - 10, SHORE)], fill=(58, 60, 62))
    return np.asarray(image).astype(float)


def water(canvas: Field) -> Field:
    """Return `canvas` with everything below the shore mirrored in rippled water."""
    rng = np.random.default_rng(3)
    y, x = np.mgrid[SHORE:H, 0:W]
    depth = (y - SHORE) / (H - SHORE)
    # Waves look longer and higher the nearer they are.
    stretched = (np.log1p(9 * depth) * 0.42 * H).astype(int)
    waves = noise(rng, (W, H), 9, 5)[stretched % H, x] - 0.5
    fine = noise(rng, (W // 6, 2 * H), 40, 3).repeat(6, axis=1)
    fine = np.pad(fine, ((0, 0), (0, W - fine.shape[1])), mode="edge")[(2 * stretched) % H, x] - 0.5
    swing = (waves * 1.4 + fine) * (0.25 + depth)
    rows = (SHORE - 1 - 1.25 * (y - SHORE) + 90 * swing).clip(0, SHORE - 1).astype(int)
    columns = (x + 46 * swing).clip(0, W - 1).astype(int)
    mirrored = canvas[rows, columns]
    deep = gradient([(0.0, (58.0, 70.0, 118.0)), (1.0, (14.0, 34.0, 72.0))], depth)
    surface = mix(mirrored * [0.84, 0.86, 0.95], deep, 0.22 + 0.42 * depth)
    crest = (swing * 7 - 0.35).clip(0, 1)
    surface = mix(surface, (196, 172, 190), 0.45 * crest)
    path = np.exp(-(((x - SUN[0]) / (0.035 * W + 0.09 * W * depth)) ** 2))
    surface = mix(surface, (255, 226, 160), (path * (0.35 + 9 * swing)).clip(0, 0.9))
    canvas = canvas.copy()
    canvas[SHORE:] = surface
    canvas[SHORE : SHORE + 5] *= 0.45
    return canvas


def sailboat(canvas: Field, x: int, y: int, size: float) -> Field:
    """Return `canvas` with a boat whose hull meets the water at (x, y), `size` pixels long."""
    image, pen = drawn(canvas)

    def at(*points: tuple[float, float]) -> list[tuple[float, float]]:
        return [(x + size * across, y + size * up) for across, up in points]

    shadow = Image.new("L", image.size, 0)
    ImageDraw.Draw(shadow).polygon(
        at((-0.5, 0.02), (0.5, 0.02), (0.2, 0.5), (0.05, 0.95), (-0.2, 0.5)), fill=150
    )
    image.paste((22, 34, 66), mask=shadow.filter(ImageFilter.GaussianBlur(5)))
    pen.polygon(at((-0.5, -0.14), (0.56, -0.16), (0.4, 0.04), (-0.4, 0.04)), fill=(126, 40, 38))
    pen.polygon(
        at((-0.5, -0.14), (0.56, -0.16), (0.53, -0.11), (-0.48, -0.09)), fill=(240, 220, 196)
    )
    pen.line(at((0.04, -0.14), (0.04, -1.28)), fill=(70, 48, 40), width=5)
    pen.polygon(at((0.0, -1.24), (0.0, -0.22), (-0.44, -0.24), (-0.16, -0.8)), fill=(250, 236, 208))
    pen.polygon(at((0.0, -1.24), (0.0, -0.22), (-0.13, -0.23), (-0.05, -0.8)), fill=(214, 178, 168))
    pen.polygon(at((0.09, -1.16), (0.09, -0.24), (0.54, -0.26), (0.3, -0.72)), fill=(226, 130, 92))
    pen.polygon(at((0.09, -1.16), (0.09, -0.24), (0.2, -0.245), (0.15, -0.7)), fill=(250, 176, 118))
    return np.asarray(image).astype(float)


def lighthouse(canvas: Field) -> Field:
    """Return `canvas` with a striped lighthouse on a rock in the right foreground."""
    rng = np.random.default_rng(31)
    foot, top, middle = int(0.86 * H), int(0.30 * H), int(0.86 * W)
    y, x = np.mgrid[0:H, 0:W].astype(float)
    # Rock: a mound with crags, shaded by its own relief.
    crags = noise(rng, (W, H), 10, 7)
    mound = foot - 34 + 520 * ((x - middle) / W) ** 2 * 3 + 120 * (crags - 0.5)
    relief = np.gradient(crags, axis=1) * -110 + np.gradient(crags, axis=0) * 60
    stone = np.asarray([98.0, 84.0, 92.0]) * (1 + 0.75 * relief.clip(-1, 1))[..., np.newaxis]
    stone = mix(stone, (26, 32, 58), ((y - foot) / (H - foot)).clip(0, 1) * 0.7)
    canvas = mix(canvas, stone, ((y - mound) / 3).clip(0, 1))
    # The tower: a round one, so bright on the sun's side and dark on the other.
    half = 34 + 22 * (y - top) / (foot - top)
    around = (x - middle) / half
    stripe = ((y - top) / (foot - top) * 5).astype(int) % 2
    paint = np.where(stripe[..., np.newaxis] == 0, [246.0, 232.0, 214.0], [190.0, 48.0, 44.0])
    shade = 0.36 + 0.74 * np.sqrt((1 - (around + 0.45) ** 2 / 2.2).clip(0, 1))
    inside = ((1 - np.abs(around)) * half / 2).clip(0, 1) * (y > top) * (y < foot - 12)
    canvas = mix(canvas, paint * shade[..., np.newaxis], inside)
    image, pen = drawn(canvas)
    pen.rectangle((middle - 50, top - 4, middle + 50, top + 8), fill=(48, 44, 58))
    pen.rectangle((middle - 24, top - 58, middle + 24, top - 4), fill=(255, 232, 150))
    for pane in (-24, -8, 8, 24):
        pen.line((middle + pane, top - 58, middle + pane, top - 4), fill=(48, 44, 58), width=4)
    pen.pieslice((middle - 34, top - 92, middle + 34, top - 26), 180, 360, fill=(150, 38, 40))
    pen.pieslice((middle - 34, top - 92, middle + 34, top - 26), 270, 360, fill=(96, 26, 36))
    pen.line((middle, top - 110, middle, top - 88), fill=(48, 44, 58), width=4)
    pen.rectangle((middle - 10, foot - 90, middle + 14, foot - 40), fill=(62, 40, 40))
    for row in (0.25, 0.55):
        window = int(top + row * (foot - top))
        pen.rectangle((middle - 8, window, middle + 8, window + 26), fill=(40, 46, 74))
    for bird in range(7):
        across, up = 0.55 * W + 46 * bird + 20 * (bird % 2), 0.14 * H + 22 * abs(bird - 3)
        for side in (-1, 1):
            pen.line((across, up, across + 13 * side, up - 9), fill=(38, 36, 62), width=3)
    return np.asarray(image).astype(float)


def skyline() -> Image.Image:
    """Return the content picture, WIDTH x HEIGHT."""
    canvas = water(bridge(city(mountains(sky()))))
    canvas = sailboat(canvas, int(0.20 * W), int(0.75 * H), 110)
    canvas = sailboat(canvas, int(0.56 * W), int(0.88 * H), 190)
    canvas = lighthouse(canvas)
    grain = np.random.default_rng(2).normal(0, 2.5, canvas.shape)
    image, _ = drawn(canvas + grain)
    return image.resize((WIDTH, HEIGHT), Image.Resampling.LANCZOS)
