"""Both ends of the wire: frames, pacing, numbered records, and the programs that run on the machine.

Standard library only (the keeper adds pyzmq, which the kernel's own Python has), Python 3.8 or newer, and nothing else
of ours is imported here: this folder is what travels to a machine.
"""
