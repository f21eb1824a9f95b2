"""A cloud in a box: it rents real machines on this computer, and everything else about them is pretence.

For trying things without an account, and for testing what has to hold when a cloud fails. It is a process of its own
(`python -m jupyter_gpu_bridge.sandbox FOLDER`), so that its machines outlive whoever rented them, as real ones do.
Nothing else of ours imports it.
"""
