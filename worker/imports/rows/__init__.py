"""Imports of tables: CSV, Parquet and JSON lines, to rows of numbers."""
