"""Split a file that is too long for one call, and join the answers of its parts."""
