"""What the kernel tells about running programs: readers of /proc, of its socket tables and of strace(1)."""
