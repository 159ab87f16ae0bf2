"""The HTTP API, and the only importer of FastAPI: one file a resource."""
