import pytest

from atelierd.jobs.ignored import is_ignored, is_job_name


@pytest.mark.parametrize(
    "name",
    [
        *(".hidden", ".nfs0001", ".smbdelete12", "._a.jpg", ".DS_Store", ".atelierd-tmp-1-a.yaml"),
        *("~lock.yaml", "a.yaml~", "a.part", "a.PARTIAL", "a.tmp", "a.crdownload", "a.download"),
        *("a.filepart", "Thumbs.db", "desktop.ini", "Desktop.INI", "@eaDir", "#recycle"),
        *("a.sync-conflict-20240101-1.yaml", ".a\nb"),
    ],
)
def test_rule_5_what_systems_leave_behind_is_ignored(name: str) -> None:
    assert is_ignored(name)
    assert not is_job_name(name)


@pytest.mark.parametrize("name", ["a.yaml", "part.jpg", "tmp", "a~b.jpg", "a.part.jpg", "#1.jpg"])
def test_rule_5_ordinary_names_are_not_ignored(name: str) -> None:
    assert not is_ignored(name)


@pytest.mark.parametrize("name", ["a.yaml", "a.yml", "a.YAML", "A B.Yml"])
def test_job_files_are_known_by_their_extension_in_any_case(name: str) -> None:
    assert is_job_name(name)


@pytest.mark.parametrize("name", ["a.jpg", "yaml", ".yaml", "a.yaml.bak", "a.yaml.part"])
def test_other_files_are_no_job_files(name: str) -> None:
    assert not is_job_name(name)
