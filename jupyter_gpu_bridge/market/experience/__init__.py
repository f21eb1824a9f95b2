"""What became of what was rented, and what its GPUs were measured to do: so that who lies or fails sinks."""
