"""Check answers: whether they are complete, fit their schema and cover their recording."""
