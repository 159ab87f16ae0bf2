"""Imports of datasets of one's own: from an uploaded file to arrays, in a process of its own."""
