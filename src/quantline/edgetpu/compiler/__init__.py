"""Google's ``edgetpu_compiler``: asked, timed, understood."""
