"""The code of the splitter's child process, where libraries cut foreign files into parts.

No function imports this package: `shared.splitter` names its functions to the sandbox, and only the child loads PyAV
and PDFium.
"""
