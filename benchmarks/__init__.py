"""One script a claim. Each prints what it measured, and on what machine."""
