#!/usr/bin/python3
"""gdb_bench.py PORT NAME: measures the stub at PORT; prints "key value" lines.

The same client for every stub.  The guest stands at a loop that never ends.
"""
import os
import random
import subprocess
import sys
import time

sys.path.insert(0, os.path.join(os.path.dirname(__file__), "../gdb"))
from rsp import Client  # noqa: E402

SECONDS = float(os.environ.get("SECONDS_EACH", "2"))
LOOP, HIT, DATA = 0x7C0A, 0x7C10, 0x100000


def steps(c):
    n = 0
    end = time.perf_counter() + SECONDS
    start = time.perf_counter()
    while time.perf_counter() < end:
        for _ in range(50):
            reply = c.run("vCont;s:1")
            assert reply[0] == "T", reply
        n += 50
    return n / (time.perf_counter() - start)


def fill(c, size):
    """Bytes that no run-length helps with."""
    noise = random.Random(1).randbytes(size)
    for at in range(0, size, 1000):
        part = noise[at:at + 1000]
        assert c.ask("M%x,%x:%s" % (DATA + at, len(part), part.hex())) == "OK"


def memory(c, size):
    n = 0
    end = time.perf_counter() + SECONDS
    start = time.perf_counter()
    packet = "m%x,%x" % (DATA, size)
    while time.perf_counter() < end:
        c.send(packet)
        # What is on the wire is what counts: no decoding in the client.
        while True:
            c._more()
            at = c.buf.find(b"#")
            if at >= 0 and len(c.buf) >= at + 3:
                c.buf = b""
                if c.ack:
                    c.send_raw(b"+")
                break
        n += size
    return n / (time.perf_counter() - start) / 1e6


def packet_size(c):
    for item in c.ask("qSupported:swbreak+").split(";"):
        if item.startswith("PacketSize="):
            return int(item[11:], 16)
    return 0x1000


def register(c, n):
    return int.from_bytes(bytes.fromhex(c.ask("p%x" % n)), "little")


# reg 1 (ecx) == const32: false until the guest's loop has run so often
def condition(value):
    code = bytes((0x26, 0, 1, 0x22 + 2)) + value.to_bytes(4, "big")
    code += bytes((0x13, 0x27))
    return "X%x,%s" % (len(code), code.hex())


def false_hits(c, features):
    """ecx counts; with conditions in the stub, or as gdb does without."""
    if "ConditionalBreakpoints+" in features:
        c.ask("Z0,%x,1;%s" % (HIT, condition(0xFFFFFFFF)))
        first, start = register(c, 1), time.perf_counter()
        c.send("vCont;c")
        time.sleep(SECONDS)
        c.interrupt()
        c.stop()
        seconds = time.perf_counter() - start
        n = register(c, 1) - first
        c.ask("z0,%x,1" % HIT)
        return n / seconds
    n = 0
    start = time.perf_counter()
    while time.perf_counter() - start < SECONDS:
        c.ask("Z0,%x,1" % HIT)
        c.run("vCont;c")
        register(c, 1)
        c.ask("z0,%x,1" % HIT)
        c.run("vCont;s:1")
        n += 1
    return n / (time.perf_counter() - start)


def gdb(port, commands):
    """Seconds that the timed commands take inside gdb."""
    script = ["set pagination off", "set architecture i386",
              "set breakpoint pending off", "target remote :%d" % port,
              "python import time, gdb", "python t=time.perf_counter()"]
    script += commands + ["python print('took', time.perf_counter()-t)",
                          "detach"]
    args = ["gdb", "-nx", "-q", "-batch"]
    for line in script:
        args += ["-ex", line]
    out = subprocess.run(args, capture_output=True, text=True, timeout=120,
                         stdin=subprocess.DEVNULL).stdout
    took = [line for line in out.splitlines() if line.startswith("took")]
    return float(took[0].split()[1]) if took else float("nan")


def main():
    port = int(sys.argv[1])
    c = Client(port)
    features = c.ask("qSupported:swbreak+")
    size = packet_size(c)
    c.ask("?")
    c.ask("Z0,%x,1" % LOOP)
    c.run("vCont;c")
    c.ask("z0,%x,1" % LOOP)
    print("steps", steps(c))
    print("zeros", memory(c, (size - 8) // 2))
    fill(c, (size - 8) // 2)
    print("memory", memory(c, (size - 8) // 2))
    print("false-hits", false_hits(c, features))
    c.send("D")
    time.sleep(0.2)
    c.close()
    if os.environ.get("NO_GDB"):
        return
    n = 2000
    print("stepi", n / gdb(port, ["stepi %d" % n]))
    mb = 16
    out = "/tmp/ringside-gdb-bench-%d.bin" % os.getpid()
    took = gdb(port, ["dump binary memory %s 0x100000 0x%x" %
                      (out, 0x100000 + (mb << 20))])
    if os.path.exists(out):
        os.unlink(out)
    print("dump", mb * 1.048576 / took)


main()
