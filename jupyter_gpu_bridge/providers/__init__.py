"""The providers that need no account: own hosts, and this computer."""
