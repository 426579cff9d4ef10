"""The code of the extractor's child process: it extracts text, tables, notes and pictures from documents.

No function imports this package: the libraries are large, and they parse untrusted bytes.
"""
