"""The code of the converter's child process: it re-encodes recordings and films, and emits them as it goes.

No function imports this package: the libraries are large, and they parse untrusted bytes.
"""
