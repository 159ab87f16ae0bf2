"""Other servers with the same network: each is a process of its own, in an environment of its own.

They read MODEL, the ONNX file (for FastAPI, SafeTensors weights beside it), and PORT.
"""
