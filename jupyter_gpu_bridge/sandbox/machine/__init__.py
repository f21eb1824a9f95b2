"""One pretend machine: a process with a folder as its disk, an SSH server, and everything that is started on it."""
