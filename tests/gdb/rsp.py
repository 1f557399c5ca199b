"""A raw client of gdb's remote serial protocol, for tests and measurements.

It knows frames, acknowledgements, run-lengths and escapes, and nothing of what
packets mean; so it can also say things that gdb never would.
"""
import re
import socket
import time

RUN = re.compile(rb"(.)\*(.)", re.DOTALL)  # a count may be * itself


class Closed(Exception):
    pass


def frame(body):
    if isinstance(body, str):
        body = body.encode("latin-1")
    return b"$" + body + b"#%02x" % (sum(body) & 0xFF)


def escape(data):
    out = bytearray()
    for byte in data:
        if byte in b"#$}*":
            out += bytes((0x7D, byte ^ 0x20))
        else:
            out.append(byte)
    return bytes(out)


def expand(body):
    """Undoes run-lengths, then escapes."""
    body = RUN.sub(lambda m: m.group(1) * (m.group(2)[0] - 28), body)
    if b"}" in body:
        out = bytearray()
        escaped = False
        for byte in body:
            if escaped:
                out.append(byte ^ 0x20)
                escaped = False
            elif byte == 0x7D:
                escaped = True
            else:
                out.append(byte)
        body = bytes(out)
    return body


class Client:
    def __init__(self, where, timeout=20, ack=False):
        """WHERE: a port, or the path of a Unix socket."""
        deadline = time.monotonic() + timeout
        while True:
            try:
                if isinstance(where, int):
                    self.sock = socket.socket()
                    self.sock.connect(("127.0.0.1", where))
                    self.sock.setsockopt(socket.IPPROTO_TCP,
                                         socket.TCP_NODELAY, 1)
                else:
                    self.sock = socket.socket(socket.AF_UNIX)
                    self.sock.connect(where)
                break
            except OSError:
                if time.monotonic() > deadline:
                    raise
                time.sleep(0.02)
        self.sock.settimeout(timeout)
        self.buf = b""
        self.ack = True
        if not ack:
            self.ack = self.ask("QStartNoAckMode") != "OK"

    def close(self):
        self.sock.close()

    def send_raw(self, data):
        self.sock.sendall(data)

    def send(self, body):
        self.sock.sendall(frame(body))

    def _more(self):
        data = self.sock.recv(1 << 18)
        if not data:
            raise Closed()
        self.buf += data

    def recv_bytes(self):
        """The next packet's body, expanded."""
        while True:
            start = self.buf.find(b"$")
            end = self.buf.find(b"#", start) if start >= 0 else -1
            if end >= 0 and len(self.buf) >= end + 3:
                body = self.buf[start + 1:end]
                want = int(self.buf[end + 1:end + 3], 16)
                self.buf = self.buf[end + 3:]
                assert sum(body) & 0xFF == want, "wrong checksum"
                if self.ack:
                    self.sock.sendall(b"+")
                return expand(body)
            self._more()

    def recv(self):
        return self.recv_bytes().decode("latin-1")

    def ask(self, body):
        self.send(body)
        return self.recv()

    def ask_bytes(self, body):
        self.send(body)
        return self.recv_bytes()

    def monitor(self, line):
        reply = self.ask("qRcmd," + line.encode().hex())
        return "" if reply == "OK" else bytes.fromhex(reply).decode()

    def interrupt(self):
        self.sock.sendall(b"\x03")

    def stop(self):
        """The next stop reply; console output is kept in self.console."""
        self.console = getattr(self, "console", "")
        while True:
            body = self.recv()
            if body[:1] != "O" or body == "OK":
                return body
            self.console += bytes.fromhex(body[1:]).decode()

    def run(self, body):
        self.send(body)
        return self.stop()
