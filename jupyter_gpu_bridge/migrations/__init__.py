"""The ground: how the ledger's tables came to be, step by step. Steps add; none takes away what was written."""
