"""The processes that send deliveries to other servers, one for each kind of `Work`.

A supervisor starts one when a delivery is due; it ends when none has come for a while. So a server
that is slow or dead holds up no job, and no supervisor loads an HTTP client or MLflow.
"""
