"""The Jupyter server extension: REST and events for the sidebar, and kernels that outlive the server."""

from __future__ import annotations

from jupyter_gpu_bridge.server.app import GpuBridgeApp

__all__ = ["GpuBridgeApp"]
