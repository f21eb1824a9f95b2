"""Rent a GPU from any cloud and use it as an ordinary Jupyter kernel."""

from __future__ import annotations

from typing import Any

__version__ = "0.1.0"


def _jupyter_labextension_paths() -> list[dict[str, str]]:
    """Called by `jupyter-builder develop`; tells it where the built sidebar is."""
    return [{"src": "labextension", "dest": "jupyter-gpu-bridge"}]


def _jupyter_server_extension_points() -> list[dict[str, Any]]:
    """Called by jupyter_server for each enabled extension, before its event loop runs."""
    from jupyter_gpu_bridge.server import GpuBridgeApp

    return [{"module": "jupyter_gpu_bridge", "app": GpuBridgeApp}]
