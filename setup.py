"""A signpost for tools that still look for `setup.py`; everything is in pyproject.toml and built by hatchling.

pip reads pyproject.toml and never runs this file. Run by hand it points there, because setuptools would make a wheel
without the sidebar and without the line that switches the server extension on.
"""

from __future__ import annotations

import sys

if __name__ == "__main__":
    sys.exit("jupyter-gpu-bridge is built by hatchling: use `pip install .`, or `pip wheel --no-deps .` for a wheel.")
