"""The code of the examiner's child process, where libraries parse foreign files.

No function imports this package: `shared.examiner` names `shared.examiner_child.child:examine` to the sandbox, and
only the child loads PyAV and PDFium.
"""
