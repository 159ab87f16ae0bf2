"""Mirrors ended jobs as runs of an MLflow server."""
