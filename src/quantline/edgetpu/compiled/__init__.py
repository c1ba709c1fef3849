"""The contents of a compiled file, and the operators of its original in it."""
