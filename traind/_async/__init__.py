"""The client, written once: traind._sync is made of it by scripts/sync_client.py."""
