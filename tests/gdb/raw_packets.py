"""Frames, registers and memory by packets: see raw.py."""
import os
import re
import subprocess
import time

from raw_guest import (ACCEL, Guest, LONG, MODES, PROT, REAL, RINGSIDE,
                       SYMBOLS, WORK)
from rsp import escape, frame


def test_first_words():
    with Guest(PROT, "-S") as g:
        # A stop reply before any resume.
        first = g.c.ask("?")
        assert first.startswith("T05thread:p1.1;core:0;"), first
        # The mode comes along for who knows that register.
        mode = ";%02x:" % g.number("mode")
        assert mode not in first and mode in g.c.ask("?"), first
        assert g.c.ask("qC") == "QCp1.1"
        assert g.c.ask("qfThreadInfo") == "mp1.1"
        assert g.c.ask("qsThreadInfo") == "l"
        assert g.c.ask("Hgp0.0") == "OK"
        assert g.c.ask("Tp1.1") == "OK"
        assert g.c.ask("Tp1.2").startswith("E.")
        assert g.c.ask("vCont?").startswith("vCont;c;C;s;S")
        assert g.c.ask("qAttached") == "1"
        assert "prot32" in bytes.fromhex(
            g.c.ask("qThreadExtraInfo,p1.1")).decode()


def test_unknown_packets():
    with Guest(PROT, "-S") as g:
        # bs aborts QEMU when nothing is recorded.
        for packet in ("bs", "bc", "vMustReplyEmpty", "qCat", "QNothing:1",
                       "", "j", "vFile:unlink:41", "\x80\xff", "qXfer:a"):
            assert g.c.ask(packet) == "", packet
        # A name longer than any buffer.
        for packet in ("q" + "A" * 100000,
                       "qXfer:features:read:%s:0,10" % ("x" * 100000),
                       "qRcmd," + "41" * 60000, "Z0,1,1;X10,",
                       "m,,,", "Z9,0,0", "vCont;" + "s" * 1000,
                       "P1=" + "0" * 99999, "G" + "0" * 100001):
            reply = g.c.ask(packet)
            assert reply == "" or reply[0] == "E", (packet[:20], reply)
        assert g.c.ask("qXfer:features:read:nothing.xml:0,10")[0] == "E"


def test_framing():
    with Guest(PROT, "-S", client=False) as g:
        c = g.connect(ack=True)
        assert c.ack
        c.buf = b""
        c.send_raw(b"$g#00")            # wrong checksum
        time.sleep(0.05)
        assert c.sock.recv(100) == b"-"
        c.send_raw(b"garbage$m1234,$qC#b4")  # a packet cut off by another
        assert c.recv() == "QCp1.1"
        for byte in frame("qC"):        # one byte at a time
            c.send_raw(bytes((byte,)))
        assert c.recv() == "QCp1.1"
        c.send_raw(b"-")                # say that again
        assert c.recv() == "QCp1.1"
        assert c.ask("QStartNoAckMode") == "OK"
        c.ack = False
        c.buf = b""
        c.send_raw(b"$" + b"A" * 300000 + b"#" + b"%02x" %
                   (0x41 * 300000 & 255))
        assert c.recv()[0] == "E"
        assert c.ask("qC") == "QCp1.1"
        # The longest that is allowed, both ways.
        data = bytes(range(256)) * 250
        body = b"X150000,%x:" % len(data) + escape(data)
        assert c.ask(body) == "OK"
        assert c.ask("m150000,%x" % len(data)) == data.hex()
        assert c.ask_bytes("x150000,%x" % len(data)) == b"b" + data


def test_escape_in_data():
    with Guest(PROT, "-S") as g:
        data = b"}]*#$\x03}}##$$**" * 20
        assert g.c.ask(b"X110000,%x:" % len(data) + escape(data)) == "OK"
        assert g.c.ask("m110000,%x" % len(data)) == data.hex()
        assert g.c.ask_bytes("x110000,%x" % len(data))[1:] == data
        assert g.c.ask(b"qSearch:memory:100000;20000;" + escape(b"}]*#$\x03")
                       ) == "1,110000"
        assert g.c.ask(b"qSearch:memory:120000;1000;" + escape(b"}]")) == "0"


def test_registers_round_trip():
    for image in (REAL, PROT):
        with Guest(image, "-S") as g:
            if image == PROT:
                g.to("loop")
            else:
                for _ in range(9):
                    g.c.run("vCont;s:1")
            before = g.c.monitor("regs") + g.c.monitor("fpu") + \
                g.c.monitor("segs")
            regs = g.c.ask("g")
            for _ in range(2):
                assert g.c.ask("G" + regs) == "OK"
            assert g.c.ask("g") == regs
            after = g.c.monitor("regs") + g.c.monitor("fpu") + \
                g.c.monitor("segs")
            assert before == after
            n = 0
            while True:
                value = g.c.ask("p%x" % n)
                if value[0] == "E":
                    break
                assert g.c.ask("P%x=%s" % (n, value)) == "OK", n
                n += 1
            assert n > 80 and g.c.ask("g") == regs
            assert before == g.c.monitor("regs") + g.c.monitor("fpu") + \
                g.c.monitor("segs")


def round_trip(g, part, mode):
    """All that is read is written back, whole and one by one."""
    views = "regs", "fpu", "segs"
    state = [g.c.monitor(view) for view in views]
    extra = bytes.fromhex(g.c.ask("qThreadExtraInfo,p1.1")).decode()
    assert extra.startswith(mode), (part, extra)
    regs = g.c.ask("g")
    assert g.c.ask("G" + regs) == "OK"
    n = 0
    while True:
        value = g.c.ask("p%x" % n)
        if value[0] == "E":
            break
        assert g.c.ask("P%x=%s" % (n, value)) == "OK", (part, n)
        n += 1
    assert n > 80, n
    assert g.c.ask("g") == regs, part
    assert state == [g.c.monitor(view) for view in views], part
    return regs


def test_registers_round_trip_in_each_mode():
    with Guest(MODES, "-S") as g:
        for part, mode in (("real", "real"), ("prot16", "prot16"),
                           ("prot32", "prot32"), ("paging", "prot32"),
                           ("user", "prot32"), ("v86", "v86")):
            g.to(part + "_leaf")
            round_trip(g, part, mode)
        # It goes on as if nobody had been there.
        assert g.c.run("vCont;c") == "W07;process:1"


KERNEL = 0xFFFFFFFF80000000             # of make_long()


def debug_registers_work():
    """Not on an emulated processor: breakpoints are made by steps there, and
    in 64-bit code those end with IRETQ, which takes TF away."""
    doctor = subprocess.run([RINGSIDE, "doctor", "--json"],
                            stdout=subprocess.PIPE, check=True).stdout
    return b'"debug registers": true' in doctor


def test_long_mode():
    """64-bit code: the layout follows, and nothing is lost."""
    if ACCEL != "kvm":
        return
    parts = [("real", 0, "real", False), ("prot32", 0, "prot32", False),
             ("long64", 0, "long64", True), ("high", KERNEL, "long64", True),
             ("compat32", 0, "compat32", False), ("user", 0, "long64", True)]
    if not debug_registers_work():
        parts.pop()
    with Guest(LONG, "-S") as g:
        for part, offset, mode, wide in parts:
            g.to(part + "_leaf", offset)
            assert ("r15" in g.numbers) == wide, part
            regs = round_trip(g, part, mode)
            assert g.reg(g.numbers["cpl"]) == (3 if part == "user" else 0)
            if wide:
                check_wide(g, regs)
            if part == "high":
                check_high_half(g)
        assert g.c.run("vCont;c") == "W09;process:1"


def check_wide(g, regs):
    assert g.reg(g.numbers["rax"]) == 0x123456789ABCDEF0
    assert regs[15 * 16:16 * 16] == "f0debc9a78563412"      # r15
    assert g.reg(g.numbers["gs_base"]) == KERNEL + 0x7000
    assert g.reg(g.numbers["xmm15"]) == 0x123456789ABCDEF0
    assert g.c.ask("p%x" % g.numbers["st0"]) == "35c26821a2da0fc90040"
    assert g.reg(g.numbers["efer"]) & 0x500 == 0x500


def check_high_half(g):
    leaf = SYMBOLS["high_leaf"]
    assert g.c.ask("m%x,8" % (KERNEL + leaf)) == g.c.ask("m%x,8" % leaf)
    # The end of the address space, and what is no address.
    assert g.c.ask("mfffffffffffffff0,20")[0] == "E"
    assert g.c.ask("m800000000000,8")[0] == "E"
    g.c.run("vCont;s:1")
    assert g.pc() == KERNEL + leaf + 1
    rax = g.numbers["rax"]
    assert g.c.ask("P%x=8877665544332211" % rax) == "OK"
    assert g.reg(rax) == 0x1122334455667788


def test_fpu_order():
    with Guest(PROT, "-S") as g:
        g.to("loop")
        # fld1, fldpi: ST(0) is pi
        assert g.c.ask("p10") == "35c26821a2da0fc90040"
        assert g.c.ask("p11") == "0000000000000080ff3f"
        assert g.reg(g.number("ftag")) == 0x0FFF  # physical 6, 7: valid


def test_fpu_pointers():
    """Where the last x87 instruction and its operand are; a processor under
    KVM may not say."""
    if ACCEL != "bt":
        return
    names = "fop", "fiseg", "fioff", "foseg", "fooff"
    with Guest(PROT, "-S") as g:
        g.to("loop")
        at, cs, ds = (g.reg(g.number(name)) for name in ("eip", "cs", "ds"))
        code = bytes.fromhex("dc0d") + at.to_bytes(4, "little") + \
            bytes.fromhex("d9e1" "d9742480")    # fmul, fabs, fnstenv
        assert g.c.ask("M%x,%x:%s" % (at, len(code), code.hex())) == "OK"
        for length, fop, offset in (6, 0x40D, 0), (2, 0x1E1, 6), \
                (4, 0x1E1, 6):
            g.c.run("vCont;s:1")
            at += length
            assert g.pc() == at
            left = [g.reg(g.number(name)) for name in names]
            assert left == [fop, cs, SYMBOLS["loop"] + offset, ds,
                            SYMBOLS["loop"]], left
        assert "fdp    %04x:%08x" % (ds, SYMBOLS["loop"]) in \
            g.c.monitor("fpu")
        esp = g.reg(g.number("esp"))
        env = bytes.fromhex(g.c.ask("m%x,1c" % (esp - 0x80)))
        assert env[12:20] == (SYMBOLS["loop"] + 6).to_bytes(4, "little") + \
            (0x1E1 << 16 | cs).to_bytes(4, "little"), env
        regs = g.c.ask("g")
        for name in names:
            assert g.c.ask("P%x=77000000" % g.number(name)) == "OK"
            assert g.reg(g.number(name)) == 0x77
        assert g.c.ask("G" + regs) == "OK" and g.c.ask("g") == regs
        assert [g.reg(g.number(name)) for name in names] == left


def test_real_mode():
    with Guest(REAL, "-S") as g:
        assert g.c.ask("Z0,7c50,1") == "OK"
        for turn in (1, 2, 3):          # QEMU hits it for ever
            reply = g.c.run("vCont;c")
            assert "swbreak" in reply, reply
            assert g.pc() == 0x7C50     # linear
            assert g.reg(g.number("cs_ip")) == 0x50
            assert g.reg(4) == 0x20100  # ss:sp, linear
            assert g.c.ask("m7df0,2") == "%02x00" % turn
        assert g.c.ask("z0,7c50,1") == "OK"
        n = g.number("cs_ip")
        g.c.run("vCont;s:1")
        assert g.reg(n) == 0x51 and g.pc() == 0x7C51


def test_unmapped_memory():
    with Guest(PROT, "-S") as g:
        g.to("loop")
        # The bytes before the page that is not there, and no more.
        assert len(g.c.ask("m3ffff0,20")) == 32
        assert g.c.ask("m400000,4")[0] == "E"
        assert g.c.ask("M400000,1:00")[0] == "E"
        assert g.c.ask("mfffffff0,40")[0] == "E"
        assert g.c.ask("Qqemu.PhyMemMode:1") == "OK"
        assert g.c.ask("qqemu.PhyMemMode") == "1"
        assert g.c.ask("m400000,4") == "00000000"
        assert g.c.ask("M400000,4:78563412") == "OK"
        assert g.c.ask("m400000,4") == "78563412"
        # Where page 200000h is one to one, both are the same.
        page = g.c.ask("m200000,10")
        assert g.c.ask("Qqemu.PhyMemMode:0") == "OK"
        assert g.c.ask("m200000,10") == page
        assert g.c.ask("m400000,4")[0] == "E"
        assert "NOIRQ" in g.c.ask("qqemu.sstepbits")
        # The screen is memory, the interrupt controllers are not.
        assert g.c.ask("Mb8000,4:48074907") == "OK"
        assert g.c.ask("mb8000,4") == "48074907"
        assert "HI" in g.c.monitor("screen")
        assert g.c.ask("Qqemu.PhyMemMode:1") == "OK"
        assert g.c.ask("mb8000,4") == "48074907"
        for address in 0xFEE00000, 0xFEC00000:
            assert g.c.ask("m%x,4" % address)[0] == "E"


def test_search_and_checksum():
    with Guest(PROT, "-S") as g:
        g.to("loop")
        # Memory ends at 400000h; a hole from there.
        assert g.c.ask("M3fffec,14:" + b"needle, before a hole".hex()[:40]
                       ) == "OK"
        assert g.c.ask("qSearch:memory:300000;200000;needle") == "1,3fffec"
        assert g.c.ask("qSearch:memory:300000;100000;hole") == "0"
        reply = g.c.ask("qSearch:memory:300000;100001;holes")
        assert reply.startswith("E.") and "0x400000" in reply, reply
        assert g.c.ask("qSearch:memory:400000;10;a").startswith("E.")
        assert g.c.ask("qSearch:memory:300000;ffffffffffffffff;nowhere"
                       ).startswith("E.")
        assert g.c.ask("qSearch:memory:300000;10;")[0] == "E"
        assert g.c.ask("qCRC:3ffff0,10")[0] == "C"
        reply = g.c.ask("qCRC:3ffff0,11")
        assert reply.startswith("E."), reply
        assert g.c.ask("qCRC:300000,ffffffffffffffff").startswith("E.")
        assert g.c.ask("qCRC:300000,0") == "Cffffffff"
        # As the manual's algorithm has it.
        crc = 0xFFFFFFFF
        for byte in bytes.fromhex(g.c.ask("m%x,10" % SYMBOLS["loop"])):
            crc ^= byte << 24
            for _ in range(8):
                crc = (crc << 1 ^ (0x04C11DB7 if crc >> 31 else 0)) \
                    & 0xFFFFFFFF
        assert g.c.ask("qCRC:%x,10" % SYMBOLS["loop"]) == "C%x" % crc
        # By physical addresses there is no hole.
        assert g.c.ask("Qqemu.PhyMemMode:1") == "OK"
        assert g.c.ask("qSearch:memory:300000;200000;holes") == "0"
        assert g.c.ask("qCRC:3ffff0,11")[0] == "C"


def test_longest_packets():
    with Guest(PROT, "-S") as g:
        size = int(re.search("PacketSize=([0-9a-f]+)",
                             g.c.ask("qSupported")).group(1), 16)
        assert size >= 128 << 10
        for extra, want in ((0, True), (1, False)):
            count = (size + extra - len("X150000,1ffff:"))
            body = b"X150000,%x:" % count + b"a" * count
            assert len(body) == size + extra
            reply = g.c.ask(body)
            assert (reply == "OK") == want, (extra, reply)
        # Answers are shortened, with an x for each byte escaped too.
        half = size // 2 - 1
        assert g.c.ask("m150000,%x" % size) == "61" * half
        assert g.c.ask("M150000,4000:" + "7d" * 0x4000) == "OK"
        assert g.c.ask_bytes("x150000,4000") == b"b" + b"}" * 0x4000
        assert g.c.ask("m150000,0") == ""
        assert g.c.ask_bytes("x150000,0") == b"b"


def test_program_file():
    def path(name):
        return os.fsencode(name).hex()

    with Guest(PROT, "-S") as g:
        link = os.path.join(WORK, "link")
        if not os.path.exists(link):
            os.symlink(os.path.realpath(PROT), link)
        name = g.c.ask("qXfer:exec-file:read:1:0,1000")[1:]
        assert name == os.path.realpath(PROT), name
        assert g.c.ask("vFile:setfs:0") == "F0"
        # No name but the one that it said reaches the host's files.
        for other in ("/etc/passwd", "/proc/self/maps", PROT + ".sym", "",
                      link, os.path.dirname(name) + "/../" +
                      "/".join(name.split("/")[-2:]), name + "\0", "x" * 9000):
            reply = g.c.ask("vFile:open:%s,0,0" % path(other))
            assert reply == "F-1,2", (other[:40], reply)
            assert g.c.ask("vFile:readlink:%s" % path(other)) == "F-1,2"
        for flags in (1, 2, 0x200, 0x601):
            assert g.c.ask("vFile:open:%s,%x,1b6" % (path(name), flags)
                           ) == "F-1,1e"
        assert g.c.ask("vFile:open:%s,0,0" % path(name)) == "F0"
        with open(PROT, "rb") as f:
            want = f.read()
        st = g.c.ask_bytes("vFile:fstat:0")
        assert st[:4] == b"F40;" and len(st) == 68
        assert int.from_bytes(st[4 + 28:4 + 36], "big") == len(want)
        got = b""
        while True:
            reply = g.c.ask_bytes("vFile:pread:0,10000,%x" % len(got))
            head, data = reply.split(b";", 1)
            assert int(head[1:], 16) == len(data)
            if not data:
                break
            got += data
        assert got == want
        assert g.c.ask("vFile:pwrite:0,0,x") == ""
        assert g.c.ask("vFile:close:0") == "F0"
        assert g.c.ask("vFile:pread:0,10,0") == "F-1,9"
        # Another client does not find it open.
        assert g.c.ask("vFile:open:%s,0,0" % path(name)) == "F0"
        g.c.close()
        g.connect()
        assert g.c.ask("vFile:pread:0,10,0") == "F-1,9"
    with Guest(REAL, "-S") as g:        # no program that gdb could read
        assert "exec-file" not in g.c.ask("qSupported")
        assert g.c.ask("vFile:open:%s,0,0" % path(os.path.realpath(REAL))
                       ) == "F-1,2"


def test_relocated():
    with Guest(PROT, "-S") as g:
        assert g.c.ask("qOffsets") == "Text=0;Data=0;Bss=0"
        assert g.c.monitor("symbols relocate 0x2000000") == ""
        want = "Text=2000000;Data=2000000;Bss=2000000"
        assert g.c.ask("qOffsets") == want
        g.c.close()                     # gdb asks when it connects
        g.connect()
        assert g.c.ask("qOffsets") == want
        addr = SYMBOLS["loop"] + 0x2000000
        assert "%x" % addr in g.c.monitor("print loop")
