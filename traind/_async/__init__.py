"""The client, written once: traind._sync is made of it by scripts/unasync.py."""
