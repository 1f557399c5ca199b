"""Runs inside gdb: sessions with the teaching kernel, with small guests and
with Debian.  WHERE, ACCEL, SESSION and LIMIT come from the environment; see
session.sh."""
import faulthandler
import os
import re
import shutil
import signal
import socket
import threading
import traceback

import gdb

WHERE = os.environ["WHERE"]
ACCEL = os.environ["ACCEL"]
SESSION = os.environ["SESSION"]
BUILD = os.environ.get("BUILD", "build")
GUESTS = os.environ["GUESTS"]


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


def press_ctrl_c():
    """From any thread.  gdb can lose a SIGINT that comes while it is still at
    resuming the guest: its event loop says when it is through with that."""
    gdb.post_event(threading.Timer(
        0.2, os.kill, (os.getpid(), signal.SIGINT)).start)


def interrupt_after(seconds):
    threading.Timer(seconds, press_ctrl_c).start()


def session_boot():
    """From the first instruction in real mode into user mode."""
    run("symbol-file %s/guests/teach.elf" % BUILD)
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


def session_monitor():
    """The monitor's own commands run the guest, and gdb notices."""
    run("symbol-file %s/guests/teach.elf" % BUILD)
    connect()
    run("monitor symbols %s/guests/teach.elf" % BUILD)
    said = run("monitor step")
    check("flush" not in said, said)    # ringside-gdb.py does it
    check(value("$pc") == 0x7c01, hex(value("$pc")))
    run("hbreak kernel_main")           # of gdb's, hit in a run of ours
    said = run("monitor continue")
    check("kernel_main (" in said, said)
    check(function() == "kernel_main" and "i386" in run("show architecture"))
    check("push   %ebp" in run("x/i $pc"), run("x/i $pc"))
    run("delete")
    said = run("monitor until proc_spawn")
    check("proc_spawn" in said and function() == "proc_spawn", said)
    check("kernel_main" in run("backtrace"))
    at = value("$pc")
    run("monitor next")
    check(value("$pc") == at + 1, hex(value("$pc")))
    run("stepi")                        # gdb goes on from there
    check(value("$pc") == at + 3, hex(value("$pc")))
    run("monitor finish")
    check(function() == "kernel_main", function())
    run("up")                           # what only looks changes no frame
    run("monitor regs")
    check(gdb.selected_frame().level() == 1)
    run("monitor set eax 0x1234")
    check(value("$eax") == 0x1234)
    # The end is told, and gdb is not left in doubt.
    run("monitor quit")
    check(gdb.selected_inferior().pid == 0 or not is_ringside())


# mode, the caller of its MODE_outer, what gdb shows of MODE_inner
MODES = (
    ("real", "real", "_start", "mov    $0x1234,%ax", "i8086"),
    ("prot16", "prot16", "prot16", "mov    $0x1234,%ax", "i8086"),
    ("prot32", "prot32", "prot32", "mov    $0x12345678,%eax", "i386"),
    ("paging", "prot32", "prot32", "mov    $0x12345678,%eax", "i386"),
    ("user", "prot32", "user", "mov    $0x12345678,%eax", "i386"),
    ("v86", "v86", "v86", "mov    $0x1234,%ax", "i8086"),
)


def backtrace():
    names, frame = [], gdb.newest_frame()
    while frame and frame.pc():
        names.append(frame.name())
        frame = frame.older()
    return names


def check_frames(part, caller):
    want = [part + "_inner", part + "_outer", caller]
    check(backtrace()[:3] == want, part, backtrace())
    shown = [line.split(" in ")[-1].split(" ")[0]
             for line in run("backtrace").strip().split("\n")]
    check(shown[0].endswith(want[0]) or want[0] in shown[0], shown)
    if gdb.selected_frame().architecture().name().startswith("i8086"):
        check(len(shown) == 3, "the backtrace ends nowhere:", shown)


def see_mode(part, mode, caller, code, architecture):
    """At PART_leaf: what gdb shows there, and a way out of two calls."""
    run("continue")
    check(value("$pc") == value("(long) &%s_leaf" % part), part)
    check(str(gdb.parse_and_eval("$mode")).endswith(mode), part)
    check(architecture in run("show architecture"), part)
    check(code in run("x/3i %s_inner" % part), part,
          run("x/3i %s_inner" % part))
    check("nop" in run("x/i $pc"), part)
    paging = part not in ("real", "prot16", "prot32")
    check(("PG" in str(gdb.parse_and_eval("$cr0"))) == paging, part)
    check(value("$cpl") == (3 if part in ("user", "v86") else 0), part)
    check_frames(part, caller)
    if architecture == "i8086":
        check(value("$sp") == value("$ss_base") +
              value("$ss_sp & 0xffff"), part)
        check(value("$pc") == value("$cs_base") + value("$cs_ip"), part)
        check(value("$ss_base") >= 0x20000, part)
    run("stepi")
    check("pop" in run("x/i $pc"), part)
    check_frames(part, caller)
    run("stepi")                        # its frame is gone, all but the address
    check("ret" in run("x/i $pc"), part)
    check(backtrace()[:3] == [part + "_inner", part + "_outer", caller],
          part, backtrace())
    run("stepi")
    check(function() == part + "_outer")
    run("finish")
    check(function() == caller, part, function())


def session_modes():
    """One session through all modes of a 32-bit processor."""
    run("symbol-file %s/modes.img.elf" % GUESTS)
    connect()
    check(value("$pc") == 0x7c00)
    # All before any of it is loaded, but for the first sector.
    for part, *_ in MODES:
        run("tbreak *&%s_leaf" % part)
    for row in MODES:
        see_mode(*row)
    run("continue")


WIDE_CODE = "movabs $0x123456789abcdef0,%rax"
LONG_MODES = (
    ("real", "real", "_start", "mov    $0x1234,%ax", "i8086"),
    ("prot32", "prot32", "prot32", "mov    $0x12345678,%eax", "i386"),
    ("long64", "long64", "long64", WIDE_CODE, "i386:x86-64"),
    ("compat32", "compat32", "compat32", "mov    $0x12345678,%eax", "i386"),
    ("user", "long64", "user", WIDE_CODE, "i386:x86-64"),
)


def step_into(name):
    for _ in range(60):
        if function() == name:
            return
        run("stepi")
    check(False, "no", name, "but", function(), hex(value("$pc")))


def session_long():
    """One session from real mode to 64-bit user mode."""
    run("symbol-file %s/long.img.elf" % GUESTS)
    connect()
    check(value("$pc") == 0x7c00)
    for part, *_ in LONG_MODES:
        run("tbreak *&%s_leaf" % part)
    for row in LONG_MODES:
        if row[0] == "user":
            step_into("user")           # through IRETQ
        see_mode(*row)
        if row[1] == "long64":
            check(value("$r15") == 0x123456789abcdef0)
            check("LMA" in str(gdb.parse_and_eval("$efer")))
    step_into("system_call")            # through INT
    check(value("$cpl") == 0)
    run("continue")


def session_long_line():
    """The line of the first stop in 64-bit code, above 4 GiB."""
    connect()
    with open("%s/long.img.sym" % GUESTS) as names:
        leaf = [int(line.split()[0], 16) for line in names
                if line.split()[2] == "high_leaf"][0]
    at = 0xffffffff80000000 + leaf
    run("monitor break %#x" % at)
    run("continue")
    check(value("$pc") == at)
    gdb.flush()
    with open("/proc/self/fd/1") as printed:    # of a stop, gdb returns nothing
        said = printed.read()
    check("\n%#x in" % at in said, said)


def session_steps16():
    """Into, over and out of calls in 16-bit code."""
    run("symbol-file %s/modes.img.elf" % GUESTS)
    connect()
    for part in "real", "prot16", "v86":
        run("tbreak *%s_outer" % part)
        run("continue")
        caller = gdb.newest_frame().older()
        check(caller is not None and caller.pc(), part, "no caller at entry")
        after = caller.pc()
        run("stepi")                    # push %bp
        check(gdb.newest_frame().older().pc() == after, part)
        run("stepi 2")                  # mov, push
        check("call" in run("x/i $pc"), part, run("x/i $pc"))
        here = value("$pc")
        run("nexti")
        check(value("$pc") == here + 3, part, "nexti", hex(value("$pc")))
        run("until *%d" % after)
        check(value("$pc") == after, part, "until")
    run("delete")


def session_names():
    """A list of names instead of a program; a program that has moved."""
    run("map-symbols %s/modes.img.sym" % GUESTS)
    connect()
    run("map-symbols %s/modes.img.sym" % GUESTS)
    run("tbreak prot32_inner")
    run("continue")
    check(backtrace()[:3] == ["prot32_inner", "prot32_outer", "prot32"],
          backtrace())
    here = value("$pc") - value("(long) &prot32_inner")
    check("prot32_inner" in run("monitor print $eip"))
    run("relocate 0x100000")
    check(value("(long) &prot32_inner") ==
          value("$pc") - here + 0x100000)
    check("prot32_inner" in run("monitor print %d" %
                               (value("$pc") + 0x100000)))
    check("Text=100000;" in run("maintenance packet qOffsets"))
    run("relocate prot32_inner $pc-%d" % here)
    check(value("(long) &prot32_inner") == value("$pc") - here)
    check("Text=0;" in run("maintenance packet qOffsets"))
    check(function() == "prot32_inner")


def session_libraries():
    """The files of `monitor symbols` are gdb's shared libraries."""
    connect()
    run("monitor symbols %s/guests/teach.elf" % BUILD)
    moved = "%s/modes.img.moved.elf" % GUESTS
    run("monitor symbols add %s -0x1000" % moved)
    listed = run("info sharedlibrary")
    check("/teach.elf" in listed and "/modes.img.moved.elf" in listed, listed)
    with open("%s/modes.img.sym" % GUESTS) as names:
        inner = [int(line.split()[0], 16) for line in names
                 if line.split()[2] == "prot32_inner"][0]
    run("break prot32_inner")
    check(value("(long) &prot32_inner") == inner)
    run("break kernel_main")            # in the first one, and never run
    run("continue")
    check(function() == "prot32_inner" and value("$pc") >= inner)
    check(backtrace()[:3] == ["prot32_inner", "prot32_outer", "prot32"],
          backtrace())
    # Moved again, gdb's breakpoints go with it.
    run("monitor symbols add %s 0" % moved)
    check(value("(long) &prot32_inner") == inner + 0x1000)
    check("%#010x" % (inner + 0x1000) in run("info breakpoints"),
          run("info breakpoints"))
    # A path of signs that mean something in regular expressions; and gone when
    # gdb comes back, which has to ask again.
    odd = os.path.join(os.path.dirname(moved), "c++[1](2).elf")
    shutil.copy(moved, odd)
    run("monitor symbols %s -0x1000" % odd)
    for _ in range(2):
        check(value("(long) &prot32_inner") == inner)
        listed = run("info sharedlibrary")
        check("Yes" in listed and "/teach.elf" not in listed, listed)
        run("disconnect")
        connect()


def complaint(command):
    """What it says as it fails, without gdb's `Python Exception` before it."""
    try:
        run(command)
    except gdb.error as e:
        return "%s: %s" % (type(e).__name__, e)
    raise AssertionError(command + " did not fail")


class OtherStub:
    """A connection to what answers none of the script's packets."""

    def send_packet(self, _packet):
        return None


def session_words():
    """The script's commands: gdb's names in them, and what they cannot do."""
    check(noticer.ask(OtherStub()) is None)
    libraries.look(OtherStub())
    connect()
    check("real" in run("ringside regs"))
    said = run("symbol-file %s/modes.img.elf" % GUESTS)     # in 16-bit code
    check("OS ABI" not in said, said)
    at = "%#x" % value("(long) &prot32_inner")
    check(at in run("ringside walk &prot32_inner"))
    check(at in run("walk prot32_inner"))
    run("ringside break &prot32_inner if eax & 1 || 1")
    check("if eax & 1 || 1" in run("ringside points"))
    check(run("ringside") == run("monitor help"))
    run("monitor delete")
    for name in ("cr0", "cr4", "dr6", "dr7", "efer", "eflags", "cs_attr"):
        run("set $%s = %#x" % (name, value("$" + name)))
    run("set $cr4 = 0x600")
    check("OSFXSR" in str(gdb.parse_and_eval("$cr4")))
    run("tbreak prot32_inner")
    run("continue")
    run("symbol-file")
    check("in ?? ()" in run("backtrace"), run("backtrace"))
    check("map-symbols FILE" in complaint("map-symbols"))
    run("detach")
    for command in ("walk 0", "ringside walk 0"):
        check(complaint(command).startswith('error: "monitor" command not'),
              complaint(command))


def session_program():
    """gdb reads the guest's program through the stub, and where it is."""
    connect()
    check(gdb.objfiles()[0].filename.startswith("target:/"),
          gdb.objfiles()[0].filename)
    run("tbreak kernel_main")
    run("continue")
    check(function() == "kernel_main")
    check(gdb.newest_frame().find_sal().symtab.filename.endswith("main.c"))
    check(gdb.newest_frame().read_var("info_pa").type.sizeof == 4)
    entry = value("(unsigned long) &kernel_main")
    run("monitor symbols relocate 0x1000000")
    run("disconnect")
    connect()
    check(value("(unsigned long) &kernel_main") == entry + 0x1000000)
    check("kernel_main" in run("info symbol %d" % (entry + 0x1000000)))


def session_source():
    """Lines, frames and variables; into calls, over them, and out."""
    run("file %s/guests/teach.elf" % BUILD)
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
    regs = run("info registers general")    # a call leaves all as it was
    check(value("str_len(file)") == len("shell"))
    check(run("info registers general") == regs)
    for _ in range(3):
        run("step")
    run("info registers")
    run("info all-registers")
    check("CPU 0" in run("info threads"))
    check("result" in run("monitor walk $esp".replace(
        "$esp", hex(value("$sp")))))


def session_user():
    """From the kernel's source into that of a program in ring 3."""
    run("file %s/guests/teach.elf" % BUILD)
    connect()
    run("tbreak proc_spawn")
    run("continue")
    check("proc_spawn" in run("list"), run("list"))
    check("shell" in run("info args"))
    run("next")
    check("f = " in run("info locals"), run("info locals"))
    run("file %s/guests/teach/user/shell.elf" % BUILD)
    run("tbreak main")
    run("continue")
    check(function() == "main" and value("$cpl") == 3)
    check(gdb.newest_frame().find_sal().symtab.filename.endswith("shell.c"))
    check("main" in run("list"))
    line = gdb.newest_frame().find_sal().line
    run("next")
    check(function() == "main")
    check(gdb.newest_frame().find_sal().line > line)
    for _ in range(20):                 # into the first call
        run("step")
        if function() != "main":
            break
    check(function() != "main" and value("$cpl") == 3)
    check("main (" in run("backtrace"), run("backtrace"))
    run("finish")
    check(function() == "main")


def session_points():
    """Watchpoints, conditions, dprintf, ignore counts."""
    run("file %s/guests/teach.elf" % BUILD)
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
    run("file %s/guests/teach.elf" % BUILD)
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
    run("file %s/guests/teach.elf" % BUILD)
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


class Console:
    """The guest's COM1, where a shell is."""

    PROMPT = b"guest# "

    def __init__(self):
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.connect(os.environ["SERIAL"])
        self.text = b""

    def until(self, what):
        while what not in self.text:
            more = self.sock.recv(65536)
            if not more:
                raise EOFError("the guest's console ended")
            self.text += more
        said, self.text = self.text.split(what, 1)
        return said.decode("latin-1")

    def type(self, line):
        """Types it at the next prompt, while the guest runs."""
        def talk():
            self.until(self.PROMPT)
            self.sock.sendall(line.encode() + b"\n")

        thread = threading.Thread(target=talk, daemon=True)
        thread.start()
        return thread

    def ask(self, line):
        """What it answers; the guest runs meanwhile, and is stopped by ^C."""
        said = []

        def talk():
            self.until(self.PROMPT)
            self.sock.sendall(line.encode() + b"\n")
            said.append(self.until(self.PROMPT))
            self.text = self.PROMPT + self.text
            press_ctrl_c()

        thread = threading.Thread(target=talk, daemon=True)
        thread.start()
        run("continue")
        check(getattr(stops[-1], "stop_signal", None) == "SIGINT",
              "it stopped, but not by ^C:", run("info program"))
        thread.join()
        return said[0]


def kernel_names(console, *names):
    """Loads these from the guest's /proc/kallsyms, each with its neighbour,
    so that gdb knows where it ends."""
    said = console.ask("grep -A1 -E ' (%s)$' /proc/kallsyms" % "|".join(names))
    lines = [line.strip() for line in said.split("\n")
             if re.match(r"[0-9a-f]{8,16} . \S+\r?$", line)]
    check(len(lines) >= len(names), said)
    path = os.path.join(BUILD, "guest-logs", "kallsyms-" + ACCEL)
    with open(path, "w") as f:
        f.write("\n".join(lines) + "\n")
    run("map-symbols " + path)


def names_of_backtrace():
    return re.findall(r"(?: in |#\d+ +)(\w+) \(\)", run("backtrace 12"))


def check_it_runs_on(console):
    run("detach")
    connect()
    said = console.ask("echo $((6 * 7))")
    check("42" in said, said)


def session_debian_686():
    """Debian's kernel by its own names: from before it is loaded."""
    connect()
    console = Console()
    kernel_names(console, "start_kernel", "i386_start_kernel", "kernel_init",
                 "ret_from_fork", "vfs_read", "ksys_read", "__ia32_sys_read",
                 "do_int80_syscall_32", "entry_INT80_32")
    run("monitor reset")                # power-on: nothing is loaded
    run("disconnect")
    connect()
    check(value("$pc") < 0x10000000 and "PG" not in
          str(gdb.parse_and_eval("$cr0")), hex(value("$pc")))
    run("tbreak start_kernel")
    run("tbreak kernel_init")
    run("continue")
    check(names_of_backtrace()[:2] == ["start_kernel", "i386_start_kernel"],
          run("backtrace 3"))
    run("continue")
    check(names_of_backtrace()[:2] == ["kernel_init", "ret_from_fork"],
          run("backtrace 3"))
    # regparm(3): the count is in ecx.  Conditions are the monitor's.
    run("break vfs_read if $ecx == 777")
    console.text = b""
    console.type("dd if=/proc/version bs=777 count=1")
    run("continue")
    check(function() == "vfs_read", function())
    check(value("$ecx") == 777 and value("$cpl") == 0)
    check(gdb.breakpoints()[-1].hit_count == 1)
    check("ksys_read" in names_of_backtrace(), run("backtrace 4"))
    run("stepi 3")
    check(function() == "vfs_read", function())
    run("delete")
    slot = value("$sp") - 32            # what it calls will write there
    before = value("*(int *) %d" % slot)
    run("watch *(int *) %d" % slot)
    run("continue")
    check(stops[-1].breakpoint.type == gdb.BP_HARDWARE_WATCHPOINT)
    check(value("*(int *) %d" % slot) != before)
    run("delete")
    check_it_runs_on(console)


def session_debian_amd64():
    """Debian's 64-bit kernel by its own names."""
    connect()
    check(str(gdb.parse_and_eval("$mode")) in ("prot32", "long64"))
    console = Console()
    kernel_names(console, "irq_enter_rcu", "irq_exit_rcu", "common_interrupt",
                 "sysvec_apic_timer_interrupt")
    check(str(gdb.parse_and_eval("$mode")) == "long64")
    check("i386:x86-64" in run("show architecture"))
    check("LMA" in str(gdb.parse_and_eval("$efer")))
    check(value("$pc") >> 63 == 1 or value("$cpl") == 3, hex(value("$pc")))
    # What was read is written back: nothing changes.
    regs = run("info registers")
    packet = run("maintenance packet g").split('received: "')[1].split('"')[0]
    check("OK" in run("maintenance packet G" + packet))
    run("maintenance flush register-cache")
    check(run("info registers") == regs)
    check("result" in run("walk $pc"))
    here = value("$pc")
    run("stepi")
    check(value("$pc") != here)
    # In a handler of the timer, which a slow processor is in all the time.
    run("break irq_enter_rcu")
    for _ in range(3):
        run("continue")
        names = names_of_backtrace()
        check(names[0] == "irq_enter_rcu" and names[1] in
              ("sysvec_apic_timer_interrupt", "common_interrupt"),
              run("backtrace 4"))
    run("delete")
    run("watch *(long *) %d" % (value("$sp") - 64))
    run("continue")
    check(stops[-1].breakpoint.type == gdb.BP_HARDWARE_WATCHPOINT)
    run("delete")
    check_it_runs_on(console)


def main():
    label = "gdb-session-%s-%s" % (SESSION, ACCEL)
    # Says where it hangs, if it does.
    faulthandler.dump_traceback_later(int(os.environ["LIMIT"]), exit=True,
                                      file=2)
    gdb.execute("set pagination off")
    gdb.execute("set confirm off")
    gdb.execute("set remotetimeout 60")     # machines in machines are slow
    gdb.execute("set breakpoint pending off")
    try:
        globals()["session_" + SESSION.replace("-", "_")]()
        print("PASS " + label, flush=True)
    except BaseException as e:              # a KeyboardInterrupt, too
        last = traceback.extract_tb(e.__traceback__)
        where = [f for f in last if f.name.startswith("session_")][-1]
        print("FAIL %s: line %d: %s %s" %
              (label, where.lineno, type(e).__name__,
               str(e).replace("\n", " | ")), flush=True)


main()
