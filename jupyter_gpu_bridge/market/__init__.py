"""What can be rented, over all clouds: found, filtered, sorted, and remembered."""
