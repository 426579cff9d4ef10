"""What the extractor's child process runs: text, tables, notes and pictures are taken out of documents.

Nothing in here is imported by a function: the libraries are large, and the bytes are foreign.
"""
