"""The registry over HTTP: each request as a client sends it, over the stacks of `conftest`.

Files are named by the specification's workflow categories: `test_pull_`, `test_push_`,
`test_discovery_` (with `test_listing`), `test_management_`; `test_api` has what holds for every
endpoint. Tests say in their docstrings which endpoints they are of, by the specification's ids;
docs/api.md has the ids in a table, and `tests/house/test_api_document.py` compares.
"""
