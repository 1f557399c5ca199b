"""Packets that run the guest, and how a run stops: see raw.py."""
import os
import re
import signal
import socket
import subprocess
import time

from raw_guest import (ACCEL, Guest, MODES, PROT, REAL, RINGSIDE, SLOWER,
                       SYMBOLS, WORK, condition)
from rsp import Closed, frame


def test_steps():
    with Guest(PROT, "-S") as g:
        g.to("loop")
        pcs = []
        for _ in range(12):
            g.c.run("vCont;s:p1.1")
            pcs.append(g.pc())
        assert pcs[5] == SYMBOLS["loop"], [hex(p) for p in pcs]
        assert pcs[:6] == pcs[6:]
        reply = g.c.run("vCont;r%x,%x:p1.1" % (SYMBOLS["loop"],
                                               SYMBOLS["touch"]))
        assert reply.startswith("T05") and g.pc() == SYMBOLS["touch"]
        # A breakpoint in the range stops, if its condition holds.
        whole = "vCont;r%x,%x:p1.1" % (SYMBOLS["loop"], SYMBOLS["leave"])
        turn = g.reg(1)
        assert g.c.ask("Z0,%x,1;%s" % (SYMBOLS["hit"], condition(turn + 3))
                       ) == "OK"
        reply = g.c.run(whole)
        assert "swbreak" in reply and g.pc() == SYMBOLS["hit"], reply
        assert g.reg(1) == turn + 3
        assert g.c.ask("z0,%x,1" % SYMBOLS["hit"]) == "OK"
        g.c.send(whole)                 # else it goes on, until somebody asks
        time.sleep(0.02)
        g.c.interrupt()
        assert g.c.stop().startswith("T02") and g.reg(1) > turn + 3


def test_watchpoints():
    with Guest(PROT, "-S") as g:
        g.to("loop")
        for kind, name in ((2, "watch"), (3, "rwatch"), (4, "awatch")):
            assert g.c.ask("Z%u,%x,4" % (kind, SYMBOLS["counter"])) == "OK"
            reply = g.c.run("vCont;c")
            assert ";%s:%x;" % (name, SYMBOLS["counter"]) in reply, reply
            assert g.c.ask("z%u,%x,4" % (kind, SYMBOLS["counter"])) == "OK"


def test_conditions():
    with Guest(PROT, "-S") as g:
        g.to("loop")
        hit = SYMBOLS["hit"]
        # Under KVM each hit is an exit.
        first, last = (20000, 30000) if ACCEL == "bt" else (20, 30)
        assert g.c.ask("Z0,%x,1;%s%s" % (hit, condition(first),
                                         condition(last))) == "OK"
        for want in (first, last):
            assert "swbreak" in g.c.run("vCont;c")
            assert g.reg(1) == want
        # A condition that cannot be evaluated stops.
        bad = bytes((0x25,)) + (0x400000).to_bytes(8, "big") + b"\x19\x27"
        assert g.c.ask("Z0,%x,1;X%x,%s" % (hit, len(bad), bad.hex())) == "OK"
        assert "swbreak" in g.c.run("vCont;c") and g.reg(1) == last + 1
        assert g.c.ask("Z0,%x,1;X1,ff" % hit)[0] == "E"
        assert "floating point" in g.c.ask("Z0,%x,1;X2,0127" % hit)
        # printf("n=%d\n", ecx) at each hit, and no stop
        text = b"n=%d\n\0"
        code = bytes((0x26, 0, 1, 0x22, 0, 0x22, 0, 0x34, 1, 0, len(text)))
        code += text + b"\x27"
        stop = SYMBOLS["touch"]
        assert g.c.ask("Z0,%x,1;cmds:0,X%x,%s" % (hit, len(code), code.hex())
                       ) == "OK"
        assert g.c.ask("Z1,%x,1;%s" % (stop, condition(last + 4))) == "OK"
        assert "hwbreak" in g.c.run("vCont;c")
        assert g.c.console == "".join(
            "n=%d\n" % (last + i) for i in (2, 3, 4)), g.c.console


def test_commands_persist():
    """Commands outlive their client if it said so; and count their hits."""
    text = b"n=%d\n\0"
    code = bytes((0x26, 0, 1, 0x22, 0, 0x22, 0, 0x34, 1, 0, len(text)))
    code += text + b"\x27"
    for persist in 0, 1:
        with Guest(PROT, "-S") as g:
            g.to("loop")
            count = 50000 if ACCEL == "bt" else 50
            assert g.c.ask("Z0,%x,1;%s;cmds:%d,X%x,%s" % (
                SYMBOLS["hit"], condition(count), persist, len(code),
                code.hex())) == "OK"
            assert g.c.ask("D;1") == "OK"
            g.c.close()
            time.sleep(0.5 * SLOWER)
            g.connect()
            assert g.c.ask("?").startswith("T02")
            assert g.reg(1) > count
            points = g.c.monitor("points")
            assert ("gdb's" in points) == bool(persist), points
            if persist:
                assert re.search(r"\b1\b.*commands", points), points
            assert g.c.ask("z0,%x,1" % SYMBOLS["hit"]) == "OK"
            assert "gdb's" not in g.c.monitor("points")
            g.proc.kill()
            words = g.proc.stderr.read().decode()
            assert ("dprintf: n=%d" % count in words) == bool(persist), words


def test_end():
    with Guest(PROT, "-S") as g:
        g.to("loop")
        g.c.ask("P3=01000000")
        assert g.c.run("vCont;c") == "W07;process:1"
        g.c.close()
        assert g.proc.wait(10 * SLOWER) == 7
    with Guest(PROT, "-S") as g:
        g.c.send("k")
        assert g.proc.wait(10 * SLOWER) == 0
    with Guest(PROT, "-S") as g:        # ^C at the terminal, while it stands
        g.proc.send_signal(signal.SIGINT)
        assert g.proc.wait(10 * SLOWER) == -signal.SIGINT
    with Guest(PROT, client=False) as g:  # and while it runs
        time.sleep(0.3)
        g.proc.send_signal(signal.SIGINT)
        assert g.proc.wait(10 * SLOWER) == -signal.SIGINT


def test_triple_fault():
    with Guest(PROT, "-S") as g:
        g.to("loop")
        assert g.c.console == ""        # gdb has words for its own stops
        assert g.c.ask("P%x=00000000" % g.number("idtr_limit")) == "OK"
        assert g.c.ask("M%x,2:0f0b" % SYMBOLS["touch"]) == "OK"
        reply = g.c.run("vCont;c")
        if ACCEL == "bt":
            # The first of the causes, and the state before it.
            assert reply.startswith("T04"), reply
            assert g.pc() == SYMBOLS["touch"]
            assert "#UD" in g.c.monitor("why")
            assert "triple fault" in g.c.console, g.c.console
            assert g.reg(g.number("vector")) == 6
        else:
            assert reply.startswith("T0b"), reply


def chain_of(text):
    """Rows of `why`: the fault's name, error code, CR2 and rip."""
    return [tuple(int(w, 16) if i else w for i, w in enumerate(row.split()[:4]))
            for row in text.split("\n") if row.startswith("#")]


def test_triple_fault_chain():
    if ACCEL != "bt":                   # KVM does not tell
        return
    with Guest(PROT, "-S") as g:
        g.to("loop")
        # The IDT is on a page that is not there.
        assert g.c.ask("P%x=%s" % (g.number("idtr_base"), (
            0x400000).to_bytes(8, "little").hex())) == "OK"
        assert g.c.ask("P%x=ff070000" % g.number("idtr_limit")) == "OK"
        assert g.c.ask("M%x,2:0f0b" % SYMBOLS["touch"]) == "OK"
        ecx = g.reg(1)
        assert g.c.run("vCont;c").startswith("T04")
        at = SYMBOLS["touch"]
        assert chain_of(g.c.monitor("why")) == [
            ("#UD", 0, 0, at), ("#PF", 0, 0x400030, at),
            ("#PF", 0, 0x400070, at)], g.c.monitor("why")
        # The state is that before the first.
        assert g.pc() == at and g.reg(1) == ecx + 1
        assert g.reg(g.number("cr2")) == 0
        # Mended, it goes on.
        assert g.c.ask("M%x,2:9090" % at) == "OK"
        assert g.c.run("vCont;s:1").startswith("T05") and g.pc() == at + 1


def test_triple_fault_at_the_prompt():
    if ACCEL != "bt":
        return
    image = os.path.join(WORK, "triple.img")
    with open(image, "wb") as f:        # lidt [7c10h]; ud2
        f.write(bytes.fromhex("0f011e107c0f0b").ljust(510, b"\0") +
                b"\x55\xaa")
    said = subprocess.run(
        [RINGSIDE, "debug", "--accel", ACCEL, "--repl", image],
        input=b"continue\nwhy\nprint $eip\n", stdout=subprocess.PIPE,
        timeout=20 * SLOWER, check=True).stdout.decode()
    assert "triple fault at 0x7c05: #UD, #GP, #GP" in said, said
    assert chain_of(said) == [("#UD", 0, 0, 0x7C05), ("#GP", 0x33, 0, 0x7C05),
                              ("#GP", 0x6B, 0, 0x7C05)], said
    assert "0x7c05  31749" in said, said


def test_stop_reply_only_when_asked():
    with Guest(PROT, "-S") as g:
        g.c.interrupt()                 # it has never run
        g.c.interrupt()
        assert g.c.ask("qC") == "QCp1.1"
        assert g.c.ask("vCtrlC") == "OK"
        assert g.c.ask("?").startswith("T")
        assert g.c.ask("vCont;t:p1.1").startswith("T")
        assert g.c.ask("qC") == "QCp1.1"
        g.c.sock.settimeout(0.3)
        try:
            assert False, g.c.recv()
        except socket.timeout:
            pass


def test_step_policy():
    """QEMU's bits: whether a step may land in an interrupt's handler."""
    with Guest(PROT, "-S") as g:
        assert g.c.ask("qqemu.sstep") == "0x7"
        for text, want in (("5", "0x5"), ("1", "0x1"), ("0x5", "0x5"),
                           ("8", None), ("", None), ("0x", None), ("7", "0x7")):
            reply = g.c.ask("Qqemu.sstep=" + text)
            assert (reply == "OK") == (want is not None), (text, reply)
            if want:
                assert g.c.ask("qqemu.sstep") == want
        for text in ("2", "", "x", "1 "):
            reply = g.c.ask("Qqemu.PhyMemMode:" + text)
            assert reply == "OK" if text == "2" else reply[0] == "E", reply
        assert g.c.ask("qqemu.PhyMemMode") == "1"


def step_after_a_while(g):
    """A step with interrupts on, after some time with them off: to where?  The
    timer's line is high half of the time."""
    flags = g.reg(9) & ~0x200
    for pc, value in (("8", 0x7C50), ("9", flags)):
        assert g.c.ask("P%s=%s" % (pc, value.to_bytes(4, "little").hex())
                       ) == "OK"
    assert g.c.ask("M7c50,2:ebfe") == "OK"      # jmp $
    g.c.send("vCont;c")
    time.sleep(0.01 * SLOWER)
    g.c.interrupt()
    assert g.c.stop().startswith("T02") and g.pc() == 0x7C50
    assert g.c.ask("M7c50,2:9090") == "OK"
    assert g.c.ask("P9=" + (flags | 0x200).to_bytes(4, "little").hex()) == "OK"
    g.c.run("vCont;s:1")
    return g.pc()


def test_step_policy_with_interrupts():
    with Guest(REAL, "-S") as g:
        assert g.c.ask("Z0,7c50,1") == "OK"
        assert "swbreak" in g.c.run("vCont;c")
        assert g.c.ask("z0,7c50,1") == "OK"
        # As it is by default, a step does not land in a handler.
        for _ in range(10):
            assert step_after_a_while(g) == 0x7C51
        assert g.c.ask("Qqemu.sstep=1") == "OK"
        for _ in range(50):
            if step_after_a_while(g) != 0x7C51:
                break
        assert g.reg(g.number("vector")) == 8
        # IP, CS: where it goes on
        assert g.c.ask("m%x,4" % g.reg(4)) == "5000c007"


def test_step_while_halted():
    """A step of a processor that waits goes on behind its interrupt."""
    def ticks():
        return int.from_bytes(bytes.fromhex(g.c.ask("m46c,4")), "little")

    with Guest(REAL, "-S") as g:
        assert g.c.ask("Z0,7c50,1") == "OK"
        assert "swbreak" in g.c.run("vCont;c")
        assert g.c.ask("M7c50,5:fbf4faebfb") == "OK"  # sti, hlt, cli, and again
        for want in (0x7C51, 0x7C52, 0x7C53, 0x7C50) * 3:
            before = ticks()
            g.c.run("vCont;s:1")
            assert g.pc() == want, (hex(g.pc()), hex(want))
            if want == 0x7C53:
                assert ticks() > before
        # Or into it.
        assert g.c.ask("Qqemu.sstep=1") == "OK"
        for _ in range(3):
            g.c.run("vCont;s:1")
        assert g.reg(g.number("vector")) == 8 and g.pc() > 0x8000


def test_catch():
    if ACCEL != "bt":                   # KVM does not see it
        return
    with Guest(PROT, "-S") as g:
        assert "catchpoint" in g.c.monitor("catch cr 3")
        assert g.c.run("vCont;c").startswith("T05")
        assert g.pc() < SYMBOLS["paging"]
        assert g.reg(g.number("cr3")) == 0x200000
        assert "CR3 write, 0x200000, by 0x1000" in g.c.monitor("why")


def test_catch_mode():
    with Guest(MODES, "-S") as g:
        said = g.c.monitor("catch mode")
        if ACCEL != "bt":
            assert "KVM does not report" in said, said
            return
        for want in ("real to prot16 (PE=1)", "prot16 to prot32 (CS.D=1)",
                     "prot32 to prot32 (PG=1)", "prot32 to v86"):
            assert g.c.run("vCont;c").startswith("T05")
            said = g.c.monitor("why")
            assert want in said, said
            assert want in g.c.console  # gdb's user need not ask
        # To one mode only, and with changes of the CPL.
        assert "catchpoint" in g.c.monitor("delete") + g.c.monitor(
            "catch mode prot32")
        assert g.c.run("vCont;c").startswith("T05")
        assert "v86 to prot32" in g.c.monitor("why")
        assert "no mode" in g.c.monitor("catch mode flat")
    with Guest(MODES, "-S") as g:
        g.c.monitor("catch mode cpl")
        said = ""
        while "CPL 3" not in said:
            assert g.c.run("vCont;c").startswith("T05")
            said = g.c.monitor("why")
        # A step reports it as well.
        g.c.monitor("delete")
        before = g.reg(g.number("mode"))
        g.c.monitor("catch mode")
        for _ in range(2000):
            assert g.c.run("vCont;s:1").startswith("T05")
            if g.reg(g.number("mode")) != before:
                break
        assert "mode change" in g.c.monitor("why")


def test_catch_what_ends_the_guest():
    with Guest(PROT, "-S") as g:
        g.to("loop")
        g.c.monitor("catch port 0xf4")
        assert g.c.ask("P3=01000000") == "OK"
        assert g.c.run("vCont;c").startswith("T05")
        said = " ".join(g.c.monitor("why").split())     # lines end anywhere
        assert "port 0xf4 out, 0x3, by %#x" % (SYMBOLS["leave"] + 9) in said
        assert "next: the guest wrote 0x3" in said
        assert g.reg(0) == 3 and g.pc() > SYMBOLS["leave"]
        assert g.c.run("vCont;c") == "W07;process:1"


def test_monitor_runs():
    with Guest(PROT, "-S") as g:
        g.to("loop")
        assert "stepped at" in g.c.monitor("step")
        assert g.pc() == SYMBOLS["hit"]
        assert "gdb has not noticed" in g.c.monitor("until loop")
        assert int(g.c.ask("qringside.changes"), 16) == 2
        assert "noticed" not in g.c.monitor("step")
        assert int(g.c.ask("qringside.changes"), 16) == 3
        g.to("loop")                    # the client was told of that
        assert int(g.c.ask("qringside.changes"), 16) == 3
        # Its stop points stop such a run; what it says is the monitor's.
        assert g.c.ask("Z0,%x,1" % SYMBOLS["loop"]) == "OK"
        assert "breakpoint" in g.c.monitor("c") and g.pc() == SYMBOLS["loop"]
        assert g.c.ask("z0,%x,1" % SYMBOLS["loop"]) == "OK"
        g.c.ask("P3=01000000")
        # The guest's end is said in words, and ends the connection.
        assert "machine ended: " in g.c.monitor("continue")
        try:
            g.c.recv()
            raise AssertionError("something was said after the end")
        except Closed:
            pass
        assert g.proc.wait(10 * SLOWER) == 7


def test_monitor_interrupted():
    with Guest(PROT, "-S") as g:
        spins = range(SYMBOLS["loop"], SYMBOLS["leave"])
        g.to("loop")
        g.c.send("qRcmd," + b"continue".hex())
        g.c.interrupt()
        assert "interrupted" in bytes.fromhex(g.c.recv()).decode()
        assert g.pc() in spins
        # gdb gives up without a word: another packet ends the command.
        g.c.send("qRcmd," + b"continue".hex())
        assert g.pc() in spins
        assert "interrupted" in g.c.monitor("why")
        g.c.send("qRcmd," + b"continue".hex())
        g.c.send("vCont;c")             # or another run: its stop is a stop's
        g.c.interrupt()
        assert g.c.recv().startswith("T02")
        # gdb that waits on says - every `remotetimeout` seconds.  When it is
        # silent, it has given up: the guest is stopped, the answer kept.
        g.c.send("qRcmd," + b"continue".hex())
        reply, pauses = "O", 20 * (0, 0, 0.5)
        for pause in pauses:
            time.sleep(pause)
            g.c.send_raw(b"-")
            reply = g.c.recv()
            if reply != "O":
                break
        assert "interrupted" in bytes.fromhex(reply).decode(), reply
        g.c.send_raw(b"-")              # it has been said
        assert g.c.ask("qC") == "QCp1.1"
        # It leaves amid it: the guest goes on, and the next one stops it.
        g.c.send("qRcmd," + b"continue".hex())
        g.c.close()
        g.connect()
        assert "runs already" in g.c.monitor("step")
        assert g.c.ask("?").startswith("T02")
        g.c.monitor("quit")
        assert g.proc.wait(10 * SLOWER) is not None


def test_restart():
    with Guest(PROT, "-S") as g:
        assert g.c.ask("vRun;")[0] == "E"
        assert g.c.ask("!") == "OK"
        entry = g.pc()
        g.to("loop")
        assert g.c.ask("vKill;1") == "OK"
        assert g.c.ask("qfThreadInfo") == "l" and g.c.ask("Tp1.1")[0] == "E"
        assert g.c.ask("vCont;c")[0] == "E"
        assert g.c.ask("vRun;").startswith("T")
        assert g.pc() == entry
        g.to("loop")
        g.c.ask("P3=01000000")
        assert g.c.run("vCont;c") == "W07;process:1"
        # Else gdb takes it for alive.
        assert "<thread " not in g.c.ask("qXfer:threads:read::0,1000")
        assert g.c.ask("vRun;").startswith("T")
        assert "<thread " in g.c.ask("qXfer:threads:read::0,1000")
        g.to("loop")
        g.c.ask("P3=01000000")
        assert g.c.run("vCont;c") == "W07;process:1"
        g.c.close()
        assert g.proc.wait(10 * SLOWER) == 7


def test_stdio():
    proc = subprocess.Popen(
        [RINGSIDE, "run", "--accel", ACCEL, "-m", "16M", "--gdb", "stdio",
         "-S", PROT], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    proc.stdin.write(frame("qC"))
    proc.stdin.flush()
    want = b"+" + frame("QC1")
    assert proc.stdout.read(len(want)) == want
    proc.stdin.close()
    assert proc.wait(10 * SLOWER) == 0
    proc.stdout.close()
