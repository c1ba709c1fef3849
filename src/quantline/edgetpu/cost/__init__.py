"""The cost of a mapped model: work, memory, latency on the chip and on the CPU."""
