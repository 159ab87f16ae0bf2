"""Programs for those who work on traind."""
