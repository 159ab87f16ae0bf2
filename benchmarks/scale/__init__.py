"""How the store bears many workers and a long history."""
