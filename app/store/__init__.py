"""What is kept, and the only importer of SQLAlchemy."""
