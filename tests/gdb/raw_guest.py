"""The guest of raw.py's tests, and its client."""
import os
import re
import subprocess
import sys
import tempfile

from rsp import Client

RINGSIDE, ACCEL, REAL, PROT, MODES, LONG = sys.argv[1:7]
WORK_DIR = tempfile.TemporaryDirectory()     # gone when we are
WORK = WORK_DIR.name
SYMBOLS = {}


def read_symbols(image):
    with open(image + ".sym") as nm:
        for line in nm:
            SYMBOLS[line.split()[2]] = int(line.split()[0], 16)


# On an emulated machine everything takes its time.
SLOWER = int(os.environ.get("SLOWER", "1"))


class Guest:
    """A guest that waits at its first instruction, and its one client."""

    def __init__(self, image, *args, client=True):
        if image != REAL:
            read_symbols(image)
        self.pc_number = 8
        self.path = os.path.join(WORK, "gdb.sock")
        self.proc = subprocess.Popen(
            [RINGSIDE, "run", "--accel", ACCEL, "-m", "16M", "--serial",
             "null", "--gdb", "unix:" + self.path, *args, image],
            stdin=subprocess.DEVNULL, stderr=subprocess.PIPE)
        self.c = None
        if client:
            self.connect()

    def connect(self, **kw):
        self.c = Client(self.path, timeout=20 * SLOWER, **kw)
        self.c.ask("qSupported:multiprocess+;swbreak+;hwbreak+;error-message+")
        return self.c

    def __enter__(self):
        return self

    def __exit__(self, failure, *args):
        if self.c:
            self.c.close()
        ended = self.proc.poll()
        self.proc.kill()
        words = self.proc.communicate()[1].decode()
        if failure:
            print("note: the monitor ended: %s; it said: %s" %
                  (ended, words[-400:]))

    def to(self, name, offset=0):
        addr = SYMBOLS[name] + offset
        assert self.c.ask("Z0,%x,1" % addr) == "OK"
        reply = self.c.run("vCont;c")
        assert reply.startswith("T05") and "swbreak" in reply, (name, reply)
        assert self.c.ask("z0,%x,1" % addr) == "OK"
        self.read_description()         # as a gdb that follows the mode
        assert self.pc() == addr

    def reg(self, n):
        return int.from_bytes(bytes.fromhex(self.c.ask("p%x" % n)), "little")

    def pc(self):
        return self.reg(self.pc_number)

    def read_description(self):
        xml = ""
        while True:
            part = self.c.ask("qXfer:features:read:target.xml:%x,4000"
                              % len(xml))
            xml += part[1:]
            if part[0] == "l":
                break
        self.numbers = {name: int(number) for name, number in re.findall(
            '<reg name="(.*?)"[^>]*regnum="([0-9]+)"', xml)}
        self.pc_number = self.numbers.get("rip", self.numbers.get("eip"))
        return xml

    def number(self, name):
        """A register's number, from the description."""
        self.read_description()
        return self.numbers[name]


def condition(value):
    code = bytes((0x26, 0, 1, 0x24)) + value.to_bytes(4, "big") + b"\x13\x27"
    return "X%x,%s" % (len(code), code.hex())
