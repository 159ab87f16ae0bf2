"""Predictions a second beside other servers, and the memory that loaded models take."""
