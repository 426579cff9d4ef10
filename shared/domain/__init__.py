"""What Dropsight means by its words, as pure values and functions: no cloud, no files, no clock of its own."""
