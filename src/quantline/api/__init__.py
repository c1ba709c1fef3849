"""The public functions on files and arrays, one module each; ``import quantline`` offers them."""
