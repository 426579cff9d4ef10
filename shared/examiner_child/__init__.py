"""What runs in the examiner's child process: real libraries look into files of strangers.

No function imports this package: `shared.examiner` names `shared.examiner_child.child:examine` to the sandbox, and
only the child loads PyAV and PDFium.
"""
