"""The geometry of tiles: cores cover the picture once, regions see enough, levels line up."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from atelierd.engines.torch.tiles import STRIDE, halo_of, tiles_of

lengths = st.integers(32, 3000)
multiples = st.integers(1, 20).map(lambda n: n * STRIDE)
halos = st.integers(0, 4).map(lambda n: n * STRIDE)


@given(lengths, lengths, multiples, halos)
def test_cores_cover_every_pixel_once_at_every_level(
    height: int, width: int, side: int, halo: int
) -> None:
    tiles = tiles_of(height, width, side, halo)
    for level in range(6):
        for length, spans in (
            (height, {tile.rows for tile in tiles}),
            (width, {tile.columns for tile in tiles}),
        ):
            covered: list[int] = []
            for span in spans:
                own = span.owned(level)
                begin = span.start >> level
                features = (span.stop - span.start) >> level
                assert own.stop <= features
                covered += range(begin + own.start, begin + own.stop)
            assert sorted(covered) == list(range(length >> level))


@given(lengths, multiples, halos)
def test_a_region_reaches_as_far_as_the_halo_or_the_pictures_edge(
    length: int, side: int, halo: int
) -> None:
    for tile in tiles_of(length, 32, side, halo):
        rows = tile.rows
        assert rows.start == max(0, rows.core_start - halo)
        assert rows.stop == min(length, rows.core_stop + halo)
        assert rows.start % STRIDE == 0
        assert rows.core_stop - rows.core_start <= side + STRIDE


def test_the_halo_is_the_networks_reach_rounded_up() -> None:
    assert halo_of("vgg16", "conv0") == 32
    assert halo_of("vgg16", "conv9") == 64  # 2*1 + 2*2 + 3*4 + 3*8 = 42
    assert halo_of("vgg16", "conv12") == 96  # 42 + 3*16 = 90
    assert halo_of("vgg16", "pool5") == 96
    assert halo_of("vgg19", "pool5") == 128  # 2 + 4 + 16 + 32 + 64 = 118


@pytest.mark.parametrize(("side", "halo"), [(0, 96), (40, 96), (64, 90)])
def test_sides_and_halos_that_poolings_would_misalign_are_refused(side: int, halo: int) -> None:
    with pytest.raises(ValueError, match="multiples of 32"):
        tiles_of(100, 100, side, halo)
