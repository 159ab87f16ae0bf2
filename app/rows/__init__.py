"""Rows of tables and the numbers that networks take: the same in training and in serving."""
