"""The kernel provisioner: how every Jupyter client starts kernels on machines of ours."""

from __future__ import annotations

from jupyter_gpu_bridge.kernels.provisioner import GpuBridgeProvisioner

__all__ = ["GpuBridgeProvisioner"]
