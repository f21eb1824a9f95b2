from __future__ import annotations

pytest_plugins = (
    "pytest_jupyter.jupyter_server",
    "tests.clouds_forgotten",
    "tests.missing_programs",
    "tests.left_behind",
    "tests.postgres",
    "tests.workers",
)
