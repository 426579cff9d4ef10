"""What the converter's child process runs: recordings and films are encoded anew, and put out while they are.

Nothing in here is imported by a function: the libraries are large, and the bytes are foreign.
"""
