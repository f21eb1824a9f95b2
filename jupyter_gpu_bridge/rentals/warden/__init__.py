"""The warden: one process for each wish, which finds a machine for it, keeps the link to it, and ends it in time."""
