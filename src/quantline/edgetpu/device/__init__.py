"""Edge TPUs: found, opened in a child process, run, and compared with the CPU."""
