"""Peak memory of a command with all that it starts: `python benchmarks/peak_memory.py make report`.

Sums the proportional set size (shared pages counted once) of the process tree every half second.
"""

import subprocess
import sys
import time

import psutil

INTERVAL = 0.5  # seconds between two looks


def tree_bytes(root: psutil.Process) -> int:
    """Memory of a process and of all below it, in bytes."""
    total = 0
    for process in [root, *root.children(recursive=True)]:
        try:
            total += process.memory_full_info().pss
        except (psutil.NoSuchProcess, psutil.ZombieProcess, psutil.AccessDenied):
            continue
    return total


def main() -> int:
    """Run the command, print the peak and the wall time, return the command's exit status."""
    begin, peak = time.monotonic(), 0
    command = subprocess.Popen(sys.argv[1:])
    root = psutil.Process(command.pid)
    while command.poll() is None:
        try:
            peak = max(peak, tree_bytes(root))
        except psutil.NoSuchProcess:
            break
        time.sleep(INTERVAL)
    print(f"peak memory {peak / 2**30:.2f} GiB, wall time {time.monotonic() - begin:.0f} s", file=sys.stderr)
    return command.wait()


if __name__ == "__main__":
    sys.exit(main())
