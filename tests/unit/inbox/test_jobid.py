from datetime import UTC, datetime, timedelta

from atelierd.inbox.jobid import JOB_ID, new_job_id


def test_ids_sort_by_time_name_the_file_and_fit_any_folder() -> None:
    wall = datetime(2026, 11, 23, 17, 45, 12, tzinfo=UTC)
    job_id = new_job_id("anna/Skyline, Zürich (2).YAML", wall, lambda _: False)
    assert job_id.startswith("20261123-174512-skyline-zurich-2-")
    for source in ("北京.yaml", "-.yaml", "x" * 300 + ".yaml"):
        assert JOB_ID.fullmatch(new_job_id(source, wall, lambda _: False))
    assert new_job_id("北京.yaml", wall, lambda _: False).startswith("20261123-174512-job-")
    assert new_job_id("z.yaml", wall, lambda _: False) < new_job_id(
        "a.yaml", wall + timedelta(seconds=1), lambda _: False
    )


def test_an_id_that_is_used_is_not_given_again() -> None:
    offered = []

    def used(job_id: str) -> bool:
        offered.append(job_id)
        return len(offered) < 3

    wall = datetime(2026, 11, 23, tzinfo=UTC)
    assert new_job_id("x.yaml", wall, used) == offered[2]
