#!/usr/bin/python3
"""screen_bench.py RINGSIDE LOOP.elf MANY.elf: what the debugger's screen costs.

Prints, for a terminal of 190x50 as no terminal is faster than:
  the guest's speed under `ringside debug`, as a part of that under `run`;
  the time from a key that steps to the last byte of the painted screen, with
  a hundred thousand symbols and source lines.
"""
import fcntl
import os
import pty
import select
import statistics
import struct
import subprocess
import sys
import tempfile
import termios
import time

ROUNDS = int(os.environ.get("ROUNDS", "3"))
STEPS = int(os.environ.get("STEPS", "40"))
QUIET = 0.15  # nothing more comes: the screen is painted


class Screen:
    """`ringside debug` on a terminal of its own."""

    def __init__(self, args, width=190, height=50):
        self.pid, self.fd = pty.fork()
        if self.pid == 0:
            os.environ["TERM"] = "xterm-256color"
            os.environ["XDG_CONFIG_HOME"] = tempfile.gettempdir()
            os.environ["XDG_STATE_HOME"] = "/dev/null"
            os.execv(args[0], args)
        fcntl.ioctl(self.fd, termios.TIOCSWINSZ,
                    struct.pack("HHHH", height, width, 0, 0))
        self.settle(1.0)

    def read(self, timeout):
        """What came within TIMEOUT; b"" if nothing did."""
        if not select.select([self.fd], [], [], timeout)[0]:
            return b""
        try:
            return os.read(self.fd, 65536)
        except OSError:
            return b""

    def settle(self, quiet=QUIET):
        """Until it is quiet; when the last byte came, and all of them."""
        last, got = time.perf_counter(), b""
        while True:
            part = self.read(quiet)
            if not part:
                return last, got
            last, got = time.perf_counter(), got + part

    def type(self, keys):
        os.write(self.fd, keys.encode())

    def wait(self, text, timeout=120):
        """When TEXT was painted."""
        got, end = b"", time.perf_counter() + timeout
        while text.encode() not in got:
            if time.perf_counter() > end:
                sys.exit("the screen never showed: " + text)
            got = got[-200:] + self.read(1.0)
        return time.perf_counter()

    def close(self):
        self.type("q")
        self.settle(0.3)
        os.close(self.fd)
        usage = os.wait4(self.pid, 0)[2]
        return usage.ru_utime + usage.ru_stime


def run_seconds(ringside, guest):
    """On the wall's clock, and of processor time."""
    start = time.perf_counter()
    p = subprocess.Popen([ringside, "run", "--accel", "bt", "--serial", "null",
                          guest], stdout=subprocess.DEVNULL)
    usage = os.wait4(p.pid, 0)[2]
    return time.perf_counter() - start, usage.ru_utime + usage.ru_stime


def debug_seconds(ringside, guest):
    s = Screen([ringside, "debug", "--accel", "bt", guest])
    start = time.perf_counter()
    s.type("c")
    end = s.wait("0xf4")
    return end - start, s.close() - start_cpu(ringside, guest)


def start_cpu(ringside, guest):
    """Processor time of a session in which the guest does not run."""
    return Screen([ringside, "debug", "--accel", "bt", guest]).close()


def idle(ringside, guest):
    """Alternately, and the best of each: other load on the host hits both."""
    run, debug = [], []
    for _ in range(ROUNDS):
        run.append(run_seconds(ringside, guest))
        debug.append(debug_seconds(ringside, guest))
    return ([min(r[i] for r in run) for i in (0, 1)],
            [min(d[i] for d in debug) for i in (0, 1)])


def paint(ringside, guest):
    start = time.perf_counter()
    s = Screen([ringside, "debug", "--accel", "bt", guest])
    loaded = time.perf_counter() - start
    times = []
    for _ in range(STEPS):
        start = time.perf_counter()
        s.type("s")
        last, _ = s.settle()
        times.append((last - start) * 1e3)
    s.close()
    return loaded, times


def main():
    ringside, loop, many = sys.argv[1:4]
    run, debug = idle(ringside, loop)
    print("  guest under the screen     %.3f of its speed under `run` "
          "(%.2f s, %.2f s)" % (run[0] / debug[0], run[0], debug[0]))
    print("  processor time             %.1f %% more (%.2f s, %.2f s)"
          % (100 * (debug[1] / run[1] - 1), run[1], debug[1]))
    _, times = paint(ringside, many)
    times.sort()
    print("  key to painted screen      %.1f ms (median), %.1f ms (worst of "
          "%d)" % (statistics.median(times), times[-1], len(times)))


main()
