# Made of traind/_async by scripts/sync_client.py: change it there.
"""The client, written once: traind._sync is made of it by scripts/sync_client.py."""
