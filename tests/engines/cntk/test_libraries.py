from __future__ import annotations

from pathlib import Path

import pytest

from atelierd.engines.cntk.installation import OLD_LIBRARY_NAMES, CntkInstallError
from atelierd.engines.cntk.libraries import link_libraries, locate


@pytest.fixture(autouse=True)
def no_library_path(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("LD_LIBRARY_PATH", raising=False)


@pytest.fixture
def system(tmp_path: Path) -> Path:
    folder = tmp_path / "system"
    folder.mkdir()
    for name in ("libmpi.so.40", "libmpi_cxx.so.40"):
        (folder / name).write_bytes(b"")
    return folder


def test_the_old_names_lead_to_the_new_libraries(tmp_path: Path, system: Path) -> None:
    link_libraries(tmp_path / "lib", [tmp_path / "nowhere", system])
    links = {path.name: path.resolve() for path in (tmp_path / "lib").iterdir()}
    assert links == {
        "libmpi.so.12": system / "libmpi.so.40",
        "libmpi_cxx.so.1": system / "libmpi_cxx.so.40",
    }


def test_links_that_are_there_are_replaced(tmp_path: Path, system: Path) -> None:
    for _ in range(2):
        link_libraries(tmp_path / "lib", [system])
    (tmp_path / "lib" / "libmpi.so.12").unlink()
    (tmp_path / "lib" / "libmpi.so.12").symlink_to("/nowhere")
    link_libraries(tmp_path / "lib", [system])
    assert all((tmp_path / "lib" / name).exists() for name in OLD_LIBRARY_NAMES)


def test_the_library_of_the_old_name_itself_serves(system: Path) -> None:
    (system / "libmpi.so.40").rename(system / "libmpi.so.12")
    assert locate("libmpi.so.12", [system]) == system / "libmpi.so.12"


def test_the_loaders_own_path_is_searched_first(
    tmp_path: Path, system: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LD_LIBRARY_PATH", f":{system}:{tmp_path / 'lib'}")
    link_libraries(tmp_path / "lib", [])
    assert (tmp_path / "lib" / "libmpi.so.12").resolve() == system / "libmpi.so.40"


def test_a_missing_library_is_named_with_the_way_to_get_it(tmp_path: Path, system: Path) -> None:
    (system / "libmpi_cxx.so.40").unlink()
    with pytest.raises(CntkInstallError) as caught:
        link_libraries(tmp_path / "lib", [system])
    for words in ("libmpi_cxx.so.1", str(system), "apt install libopenmpi3"):
        assert words in str(caught.value)
    assert not (tmp_path / "lib").exists()
