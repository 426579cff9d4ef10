"""The code of the splitter's child process, in which libraries cut untrusted files into parts.

No function imports this package: `shared.splitter` names its functions to the sandbox, and only the child loads PyAV
and PDFium.
"""

CACHED_BYTES = 12 << 20
"""Of a file that is read. Less than the examiner has: the parts themselves take memory, too."""
