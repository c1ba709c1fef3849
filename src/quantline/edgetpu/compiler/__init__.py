"""Google's ``edgetpu_compiler``: its options, output and failures."""
