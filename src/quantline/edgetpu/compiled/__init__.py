"""What is in a compiled file, and where the operators of its original went."""
