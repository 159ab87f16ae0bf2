# Made of traind/_async by scripts/unasync.py: change it there.
"""The client, written once: traind._sync is made of it by scripts/unasync.py."""
