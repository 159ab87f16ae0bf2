"""The service as tools and resources for agents, over the Model Context Protocol.

An agent's context is small: tools answer with few fields, and what is long is a resource.
"""
