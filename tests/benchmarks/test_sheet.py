"""The table shows medians side by side, a ratio for two registries, and what failed."""

from benchmarks.sheet import Row, Sheet

CALLS = Row("Calls", "HEAD blob", "calls")
SPEED = Row("Speed", "push", "MiB/s")


def test_a_cell_is_the_median_of_its_samples() -> None:
    sheet = Sheet(["ours"])
    for sample in (7, 1, 2):
        sheet.add(CALLS, "ours", sample)
    assert sheet.value(CALLS, "ours") == 2
    assert "| HEAD blob | calls | 2 |" in sheet.markdown()


def test_two_registries_are_compared() -> None:
    sheet = Sheet(["ours", "theirs", "bare"], compared=["ours", "theirs"])
    for column, value in (("ours", 50.04), ("theirs", 200), ("bare", 312.5)):
        sheet.add(SPEED, column, value)
    assert sheet.markdown().splitlines() == [
        "| Speed | unit | ours | theirs | bare | ours / theirs |",
        "| --- | --- | ---: | ---: | ---: | ---: |",
        "| push | MiB/s | 50 | 200 | 312 | 0.25 |",
    ]


def test_what_one_registry_lacks_is_left_empty() -> None:
    sheet = Sheet(["ours", "theirs"], compared=["ours", "theirs"])
    sheet.add(SPEED, "ours", 50)
    sheet.add(CALLS, "ours", 0)
    sheet.add(CALLS, "theirs", 0)
    sheet.add(Row("Speed", "pull", "MiB/s"), "theirs", 80)
    assert "| push | MiB/s | 50 |  |  |" in sheet.markdown()
    assert "| HEAD blob | calls | 0 | 0 |  |" in sheet.markdown()


def test_groups_are_tables_of_their_own() -> None:
    sheet = Sheet(["ours"])
    sheet.add(SPEED, "ours", 50)
    sheet.add(CALLS, "ours", 1)
    first, second = sheet.markdown().split("\n\n")
    assert first.startswith("| Speed |")
    assert second.startswith("| Calls |")


def test_problems_are_listed_below() -> None:
    sheet = Sheet(["ours"])
    sheet.problems.append("push, ours: refused")
    assert sheet.markdown().endswith("- push, ours: refused")


def test_json_has_every_sample_and_the_details() -> None:
    sheet = Sheet(["ours"])
    sheet.add(CALLS, "ours", 2, detail=["GET /a", "HEAD /b"])
    sheet.add(CALLS, "ours", 1, detail=["GET /a"])
    assert sheet.as_json()["rows"] == [
        {
            "group": "Calls",
            "name": "HEAD blob",
            "unit": "calls",
            "samples": {"ours": [2, 1]},
            "details": {"ours": ["GET /a"]},
        }
    ]
