"""The clouds, one file each, and what needs no cloud: own hosts, and this computer."""
