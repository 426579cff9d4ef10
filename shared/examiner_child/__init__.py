"""The code of the examiner's child process, in which libraries parse untrusted files.

No function imports this package: `shared.examiner` names `shared.examiner_child.child:examine` to the sandbox, and
only the child loads PyAV and PDFium.
"""
