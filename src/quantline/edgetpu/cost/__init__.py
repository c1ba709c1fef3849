"""What a mapped model costs: work, memory, time on the chip, and the time of the CPU's part."""
