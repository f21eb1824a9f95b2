"""What runs when a client starts one of our kernelspecs by itself and ignores the provisioner that it names."""

from __future__ import annotations

import sys

_TEXT = (
    "This kernel runs on another machine and is started by jupyter-gpu-bridge, but the program that started it "
    "ignores kernel provisioners. Start a Jupyter server (jupyter lab) and connect to it instead; in VS Code: "
    "Select Kernel, then Existing Jupyter Server."
)


def main() -> int:
    print(_TEXT, file=sys.stderr)
    return 1


if __name__ == "__main__":
    sys.exit(main())
