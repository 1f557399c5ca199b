"""Runs inside gdb: sessions with the teaching kernel.  WHERE and SESSION come
from the command line as convenience variables; see session.sh."""
import os
import signal
import threading
import traceback

import gdb

WHERE = os.environ["WHERE"]
ACCEL = os.environ["ACCEL"]
SESSION = os.environ["SESSION"]


def run(command):
    return gdb.execute(command, to_string=True)


def value(expression):
    return int(gdb.parse_and_eval(expression))


def connect():
    run("target remote " + WHERE)


stops = []
gdb.events.stop.connect(stops.append)


def function():
    return gdb.newest_frame().name()


def check(condition, *what):
    if not condition:
        raise AssertionError(" ".join(str(w) for w in what))


def interrupt_after(seconds):
    threading.Timer(seconds, os.kill, (os.getpid(), signal.SIGINT)).start()


def session_boot():
    """From the first instruction in real mode into user mode."""
    run("symbol-file build/guests/teach.elf")
    connect()
    check(str(gdb.parse_and_eval("$mode")) == "real")
    check(value("$pc") == 0x7c00, hex(value("$pc")))
    check("i8086" in run("show architecture"))
    check(value("$cpl") == 0 and "PE" not in str(gdb.parse_and_eval("$cr0")))
    text = run("x/8i $pc")
    check("%eax" not in text.split("\n")[0], text)
    run("stepi 3")
    # Before the kernel is loaded, and before its addresses are mapped.
    run("break kernel_main")
    run("break proc_spawn")
    run("continue")
    check(function() == "kernel_main", function())
    check("i386" in run("show architecture"))
    check("PG" in str(gdb.parse_and_eval("$cr0")))
    run("next")
    run("continue")
    check(function() == "proc_spawn", function())
    check("kernel_main" in run("backtrace"))
    # Into user mode: a system call's way back.
    run("delete")
    run("monitor delete")
    steps = 0
    run("break proc_run")
    run("continue")
    run("delete")
    while value("$cpl") != 3 and steps < 3000:
        run("stepi")
        steps += 1
    check(value("$cpl") == 3, "no user mode after", steps, "steps")
    check(value("$cs") & 3 == 3)
    run("stepi 20")


def session_source():
    """Lines, frames and variables; into calls, over them, and out."""
    run("file build/guests/teach.elf")
    connect()
    run("break kernel_main")
    run("continue")
    line = gdb.newest_frame().find_sal().line
    run("next")
    check(gdb.newest_frame().find_sal().line > line)
    run("break frame_alloc")
    run("continue")
    check(function() == "frame_alloc")
    caller = gdb.newest_frame().older().pc()
    run("finish")
    check(gdb.newest_frame().pc() == caller)
    run("delete")
    run("tbreak proc_spawn")
    run("continue")
    check(gdb.newest_frame().read_var("file").string() == "shell")
    for _ in range(3):
        run("step")
    run("info registers")
    run("info all-registers")
    check("CPU 0" in run("info threads"))
    check("result" in run("monitor walk $esp".replace(
        "$esp", hex(value("$sp")))))


def session_points():
    """Watchpoints, conditions, dprintf, ignore counts."""
    run("file build/guests/teach.elf")
    connect()
    run("tbreak kernel_main")
    run("continue")
    run("break frame_alloc")
    run("ignore 2 3")
    run("continue")
    check(gdb.breakpoints()[-1].hit_count == 4,
          gdb.breakpoints()[-1].hit_count)
    run("delete")
    run("break frame_alloc if $esp == 1")
    run("set dprintf-style agent")
    sp = value("$sp") - 4
    run("watch *(int *) %d" % sp)
    before = value("*(int *) %d" % sp)
    run("continue")
    check(stops[-1].breakpoint.type == gdb.BP_HARDWARE_WATCHPOINT)
    check(value("*(int *) %d" % sp) != before)
    run("delete")
    run("rwatch *(int *) %d" % sp)
    run("continue")
    check(stops[-1].breakpoint.type == gdb.BP_READ_WATCHPOINT)
    run("delete")
    run("tbreak proc_spawn if $esp > 0xc0000000")
    run("continue")
    check(function() == "proc_spawn")


def session_interrupt():
    """^C under load, detach and attach again."""
    run("file build/guests/teach.elf")
    connect()
    run("tbreak proc_spawn")
    run("continue")
    run("delete")
    interrupt_after(0.3)
    run("continue")
    check(stops[-1].stop_signal == "SIGINT")
    run("detach")
    connect()
    check(value("$pc") != 0)
    run("stepi")
    run("monitor why")


def session_memory():
    """Memory both ways; compare-sections; find."""
    run("file build/guests/teach.elf")
    connect()
    run("tbreak kernel_main")
    run("continue")
    # Sections are compared where they were loaded: physical addresses.
    run("maintenance packet Qqemu.PhyMemMode:1")
    text = run("compare-sections .text")
    run("maintenance packet Qqemu.PhyMemMode:0")
    check("matched" in text and "MIS" not in text, text)
    run("set var *(int *) 0xc0300000 = 0x12345678")
    check(value("*(unsigned *) 0xc0300000") == 0x12345678)
    check("c0300000" in run("find /w 0xc02ff000, 0xc0301000, 0x12345678"))
    try:
        run("x/4x 0x90000000")
        check(False, "an unmapped page was read")
    except gdb.MemoryError:
        pass
    run("set $eax = 0x11223344")
    check(value("$eax") == 0x11223344 and value("$ax") == 0x3344)
    run("dump binary memory /tmp/ringside-gdb-%d 0xc0100000 0xc0140000" %
        os.getpid())
    os.unlink("/tmp/ringside-gdb-%d" % os.getpid())


def main():
    label = "gdb-session-%s-%s" % (SESSION, ACCEL)
    gdb.execute("set pagination off")
    gdb.execute("set confirm off")
    gdb.execute("set breakpoint pending off")
    try:
        globals()["session_" + SESSION]()
        print("PASS " + label)
    except Exception as e:
        last = traceback.extract_tb(e.__traceback__)
        where = [f for f in last if f.name.startswith("session_")][-1]
        print("FAIL %s: line %d: %s %s" %
              (label, where.lineno, type(e).__name__,
               str(e).replace("\n", " | ")))


main()
