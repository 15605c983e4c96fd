from atelierd.jobs.reference import key_table
from atelierd.jobs.schema import JobFile, Output


def test_the_table_has_a_row_of_four_cells_for_every_key() -> None:
    rows = key_table().splitlines()[2:]
    assert len(rows) == len(JobFile.model_fields) - 1 + len(Output.model_fields)
    assert {row.count("|") for row in rows} == {5}
    assert any(
        row.startswith("| `output: quality` | a whole number from 1 to 100 | 95 |") for row in rows
    )
