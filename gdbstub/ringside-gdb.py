"""Ringside's commands for gdb 13 and later:

    (gdb) source ringside-gdb.py
    (gdb) target remote :1234

- gdb follows the processor's mode.  The layout of registers and the
  disassembly change from 16 to 32 to 64 bits and back where the guest does.
  (The stub changes a register's size only when gdb reads the target
  description again; this script has gdb do so.)
- `monitor step` and its like run the guest, and gdb notices: registers, frames
  and the mode are the new ones, and gdb's breakpoints stop such a run too.
- `ringside COMMAND` and short commands for the monitor's views: walk, gdt, idt,
  tss, e820, exits, devices, why, catch.  `ringside help` lists all.
- backtraces, `finish`, `up` and `nexti` in 16-bit code, where gdb itself takes
  the stack for a 32-bit one.
- `relocate DELTA`, when the guest has moved itself, and `map-symbols FILE` for
  names from a System.map or /proc/kallsyms.
- `monitor symbols add FILE DELTA`: one more file, moved by DELTA.  gdb has it
  too, as a shared library (`info sharedlibrary`).
- nothing here knows of any operating system.
"""
import html
import os
import re
import struct
import tempfile

import gdb
from gdb.FrameDecorator import FrameDecorator
from gdb.unwinder import Unwinder, register_unwinder

# The stub's enum x86_mode (register `mode`): the architecture that fits.
ARCHITECTURES = {
    "real": "i8086", "v86": "i8086", "prot16": "i8086", "compat16": "i8086",
    "prot32": "i386", "compat32": "i386",
    "long64": "i386:x86-64",
}


def is_ringside():
    """Is gdb connected to a stub that has our registers?"""
    try:
        return gdb.selected_thread() is not None and \
            gdb.parse_and_eval("$mode").type.code != gdb.TYPE_CODE_VOID
    except gdb.error:
        return False


def current_mode():
    return str(gdb.parse_and_eval("$mode")).split("::")[-1]


def define_hook(name, python):
    try:
        gdb.execute("show user " + name, to_string=True)
    except gdb.error:                   # the user has none
        gdb.execute("define %s\npython %s\nend" % (name, python))


class ModeFollower:
    """At each stop: if the mode has changed, the description is read anew."""

    def __init__(self):
        self.architecture = None
        self.busy = False
        gdb.events.stop.connect(self.on_stop)
        gdb.events.exited.connect(self.forget)
        # Before gdb prints where it stopped, in registers that are too narrow
        # if the mode has changed.  (At the event it has printed it.)
        define_hook("hook-stop", "follower.on_stop(None)")

    def forget(self, _event=None):
        self.architecture = None

    def on_stop(self, _event):
        if self.busy or not is_ringside():
            return
        self.follow()

    def follow(self):
        wanted = ARCHITECTURES.get(current_mode())
        if not wanted or wanted == self.architecture:
            return
        self.busy = True
        try:
            # Not until the description is the new one does gdb accept an
            # architecture of another width.
            gdb.execute("set architecture auto", to_string=True)
            gdb.execute("unset tdesc filename", to_string=True)
            # A file of another width would win over the description.
            gdb.execute("set architecture " + wanted, to_string=True)
            gdb.execute("maintenance flush register-cache", to_string=True)
            self.architecture = wanted
        except gdb.error as e:
            gdb.write("ringside: cannot follow to %s: %s\n" % (wanted, e))
            self.architecture = wanted
        finally:
            self.busy = False


follower = ModeFollower()


class Noticer:
    """What gdb has not been told of: `monitor step` and its like ran the guest,
    `monitor set` changed it, or somebody at the screen beside did.  gdb forgets
    what it knew then."""

    def __init__(self):
        self.connection = None
        self.seen = 0
        gdb.events.stop.connect(self.on_stop)
        gdb.events.before_prompt.connect(self.look)
        # Whoever runs the guest, gdb's breakpoints stop it.
        gdb.execute("set breakpoint always-inserted on")
        # Scripts have no prompt.
        define_hook("hookpost-monitor", "noticer.look()")

    @staticmethod
    def ask(connection):
        """How often that has been since gdb connected; None: gdb has nothing
        to ask, or the guest runs."""
        try:
            return int(connection.send_packet("qringside.changes"), 16)
        except (AttributeError, TypeError, ValueError, gdb.error):
            return None                 # None: a stub that is not ours

    def on_stop(self, _event):
        """Once for each connection, so that the stub knows that we ask."""
        if gdb.selected_inferior().connection is not self.connection:
            self.look()

    def look(self):
        connection = gdb.selected_inferior().connection
        changes = self.ask(connection)
        if connection is not self.connection:
            self.connection, self.seen = connection, 0
            libraries.known = b""
            if changes is not None:
                libraries.look(connection)
        if changes in (None, self.seen):
            return
        self.seen = changes
        libraries.look(connection)
        gdb.execute("maintenance flush register-cache", to_string=True)
        gdb.execute("maintenance flush dcache", to_string=True)
        if is_ringside():
            follower.on_stop(None)
            gdb.execute("frame")


noticer = Noticer()


class Libraries:
    """gdb has the files that `monitor symbols` has, where they are.

    gdb asks for them as a target's shared libraries, if the target has no ABI
    that lists them elsewhere: a guest has none at all.  (This host's, which a
    program has that does not say, gdb does not have for 16-bit code.)"""

    def __init__(self):
        self.known = b""
        gdb.execute("set osabi none")
        # Which of them it has already, as its symbol file, gdb does not see.
        gdb.execute("set auto-solib-add off")

    def look(self, connection):
        try:
            listed = connection.send_packet("qXfer:libraries:read::0,ffff")
        except (AttributeError, gdb.error):
            return
        if not listed or listed == self.known or listed[:1] != b"l":
            return
        self.known = listed
        # Of one that has only moved gdb would take no notice.
        gdb.execute("nosharedlibrary", to_string=True)
        have = [o.filename for o in gdb.objfiles()]
        for path in re.findall('name="(.*?)"', listed.decode()):
            path = html.unescape(path)
            if path not in have:
                # gdb takes a regular expression, of a kind of its own.
                name = re.sub(r"[^a-zA-Z0-9_/]", ".*", path)
                gdb.execute("sharedlibrary %s$" % name, to_string=True)


libraries = Libraries()


# ---- frames of 16-bit code -------------------------------------------------

# What an outer frame has as the inner one does.
KEPT = ("eax", "ecx", "edx", "ebx", "esi", "edi", "eflags", "ss", "ds", "es",
        "fs", "gs", "ss_base", "ds_base", "es_base", "fs_base", "gs_base",
        "mode", "cpl", "cr0", "icount")
PUSH_BP = 0x55
RETURNS = (0xC2, 0xC3, 0xCA, 0xCB, 0xCF)  # RET, far RET, IRET
MOV_BP_SP = (b"\x89\xe5", b"\x8b\xec")


class Frame16:
    """One frame of 16-bit code, as far as registers and memory tell."""

    def __init__(self, read_register):
        self.cs_base = int(read_register("cs_base"))
        self.ss_base = int(read_register("ss_base"))
        self.pc = int(read_register("eip")) & 0xFFFFFFFF
        self.cs = int(read_register("cs"))
        self.sp = (int(read_register("esp")) - self.ss_base) & 0xFFFF
        self.bp = int(read_register("ebp")) & 0xFFFF
        # In protected mode a selector alone does not say where a segment is.
        self.far = str(read_register("mode")).split("::")[-1] in (
            "real", "v86")

    @staticmethod
    def bytes_at(address, count):
        try:
            return bytes(gdb.selected_inferior().read_memory(address, count))
        except (gdb.MemoryError, OverflowError):  # not mapped; below 0
            return b""

    def stack(self, offset):
        return int.from_bytes(
            self.bytes_at(self.ss_base + (offset & 0xFFFF), 2), "little")

    def is_after_call(self, address):
        """Does a near call end there?"""
        before = self.bytes_at(address - 4, 4)
        if len(before) < 4:
            return False
        if before[1] == 0xE8:
            return True
        for length in (2, 3, 4):        # FF /2, by its ModRM byte's length
            modrm = before[5 - length]
            mod, rm = modrm >> 6, modrm & 7
            extra = (2 if rm == 6 else 0, 1, 2, 0)[mod]
            if before[4 - length] == 0xFF and modrm >> 3 & 7 == 2 and \
                    2 + extra == length:
                return True
        return False

    def caller(self, offset, saved_bp):
        """The caller, if its address is at that offset of the stack: (pc, cs,
        cs_base, sp, bp); None: nobody can have called from there."""
        ip, cs = self.stack(offset), self.stack(offset + 2)
        if self.is_after_call(self.cs_base + ip):
            return (self.cs_base + ip, self.cs, self.cs_base, offset + 2,
                    saved_bp)
        if not self.far:
            return None
        before = self.bytes_at((cs << 4) + ip - 5, 5)
        if len(before) == 5 and (before[0] == 0x9A or (
                before[1] == 0xFF and before[2] == 0x1E)):
            return ((cs << 4) + ip, cs, cs << 4, offset + 4, saved_bp)
        if len(before) == 5 and before[3] == 0xCD:      # INT n
            return ((cs << 4) + ip, cs, cs << 4, offset + 6, saved_bp)
        return None

    def is_entry(self):
        """Is pc what the call before the address on the stack calls?"""
        ip = self.stack(self.sp)
        before = self.bytes_at(self.cs_base + ip - 3, 3)
        if len(before) == 3 and before[0] == 0xE8:
            to = ip + int.from_bytes(before[1:], "little") & 0xFFFF
            return self.cs_base + to == self.pc
        cs = self.stack(self.sp + 2)
        before = self.bytes_at((cs << 4) + ip - 5, 5)
        if len(before) < 5 or not self.far:
            return False
        if before[0] == 0x9A:
            offset, segment = before[1:3], before[3:5]
        elif before[3] == 0xCD:
            vector = self.bytes_at(4 * before[4], 4)
            offset, segment = vector[:2], vector[2:]
        else:
            return False
        return (int.from_bytes(segment, "little") << 4) + \
            int.from_bytes(offset, "little") == self.pc

    def find_caller(self, innermost):
        code = self.bytes_at(self.pc, 2)
        before = self.bytes_at(self.pc - 1, 1)
        found = None
        if innermost and code:
            if code[0] == PUSH_BP or code[0] in RETURNS or self.is_entry():
                found = self.caller(self.sp, self.bp)
            elif before == bytes((PUSH_BP,)) and code in MOV_BP_SP:
                found = self.caller(self.sp + 2, self.stack(self.sp))
        if not found and self.bp >= self.sp:
            found = self.caller(self.bp + 2, self.stack(self.bp))
        return found


class FrameId:
    def __init__(self, sp):
        self.sp = sp                    # no pc: the stack alone tells


class Unwinder16(Unwinder):
    """Callers of 16-bit code by BP and by what calls look like."""

    def __init__(self):
        super().__init__("ringside-16")

    def __call__(self, pending):
        if not pending.architecture().name().startswith("i8086"):
            return None
        read = pending.read_register
        try:
            frame = Frame16(read)
        except (gdb.error, ValueError):
            return None
        found = frame.find_caller(pending.level() == 0)
        # Nobody: address 0, where a backtrace ends.
        pc, cs, cs_base, sp, bp = found or (0, 0, 0, frame.bp + 4, 0)
        linear_sp = frame.ss_base + (sp & 0xFFFF)
        unwind = pending.create_unwind_info(
            FrameId(gdb.Value(linear_sp).cast(read("esp").type)))
        for name, value in (("eip", pc), ("cs", cs), ("cs_base", cs_base),
                            ("esp", linear_sp), ("ebp", bp)):
            unwind.add_saved_register(
                name, gdb.Value(value).cast(read(name).type))
        for name in KEPT:
            unwind.add_saved_register(name, read(name))
        return unwind


class Nameless(FrameDecorator):
    """Code without a name, as gdb shows it where there are no filters."""

    def function(self):
        return "??"


class NoFrameAtZero:
    """`backtrace` without the frame at 0 that ends those of 16-bit code."""

    name, priority, enabled = "ringside-end", 100, True

    def filter(self, frames):
        for frame in frames:
            inner = frame.inferior_frame()
            if frame.address() or not inner.level():
                yield frame if inner.name() else Nameless(frame)


register_unwinder(None, Unwinder16(), replace=True)
gdb.frame_filters[NoFrameAtZero.name] = NoFrameAtZero()


# ---- commands --------------------------------------------------------------

def monitor(line, from_tty):
    try:
        gdb.execute("monitor " + line, from_tty)
    except gdb.error as e:              # without Python's own words about it
        raise gdb.GdbError(str(e))


def evaluated(word):
    """A word as the monitor takes it: a number if gdb can make one of it."""
    try:
        value = gdb.parse_and_eval(word)
        if value.type.code == gdb.TYPE_CODE_FUNC:
            value = value.address
        return hex(int(value) & 0xffffffffffffffff)
    except (gdb.error, ValueError, OverflowError):
        return word


class Ringside(gdb.Command):
    """ringside COMMAND...: a command or view of the monitor's debugger.

The same as `monitor COMMAND`, but words that begin with & are gdb's to
evaluate, as in `ringside walk &main`.  `ringside help` lists the commands."""

    def __init__(self):
        super().__init__("ringside", gdb.COMMAND_DATA)

    def invoke(self, argument, from_tty):
        monitor(re.sub(r"(?<!\S)&\w\S*", lambda m: evaluated(m[0]),
                       argument or "help"), from_tty)


class View(gdb.Command):
    """A view of the monitor's by its own name."""

    def __init__(self, name, arguments, summary, evaluate):
        self.view = name
        self.evaluate = evaluate
        self.__doc__ = "%s %s: %s." % (name, arguments, summary)
        super().__init__(name, gdb.COMMAND_DATA)

    def invoke(self, argument, from_tty):
        words = argument.split()
        if self.evaluate and words:
            words[0] = evaluated(words[0])
        monitor(" ".join([self.view] + words), from_tty)


for row in (
        ("regs", "", "registers on half a page", False),
        ("walk", "ADDRESS [r|w|x]", "the page walk of an address", True),
        ("tree", "[w] [u] [x]", "what is mapped", False),
        ("gdt", "", "the global descriptor table", False),
        ("ldt", "", "the local descriptor table", False),
        ("idt", "", "the interrupt descriptor table", False),
        ("tss", "", "the task state segment", False),
        ("segs", "", "segment registers with their hidden parts", False),
        ("e820", "", "guest-physical memory", False),
        ("exits", "", "exits by reason", False),
        ("devices", "[NAME]", "the board's chips", False),
        ("why", "", "why the guest stopped", False)):
    View(*row)
Ringside()


# ---- names -----------------------------------------------------------------

class Elf:
    """Writes an ELF file that has nothing but symbols."""

    # name, type, flags, addr, offset, size, link, info, align, entsize
    NARROW = ("<IIIIIIIIII", "<IIIBBH", 0x34, 3)
    WIDE = ("<IIQQQQIIQQ", "<IBBHQQ", 0x40, 62)

    def __init__(self, symbols):
        """SYMBOLS: (address, is it code, name), in order."""
        self.wide = symbols[-1][0] >> 32 != 0
        self.section, self.symbol, self.header_size, self.machine = \
            self.WIDE if self.wide else self.NARROW
        self.strings = bytearray(b"\0.text\0.data\0.symtab\0.strtab\0")
        # A section for each run of code or data.
        self.runs = []
        self.table = bytearray(struct.calcsize(self.symbol))
        for address, code, name in symbols:
            if not self.runs or self.runs[-1][1] != code:
                self.runs.append((address, code))
            self.add_symbol(address, code, name)
        self.end = symbols[-1][0] + 4096

    def add_symbol(self, address, code, name):
        at = len(self.strings)
        self.strings += name.encode() + b"\0"
        info = 0x12 if code else 0x11   # global; a function or an object
        index = len(self.runs)
        fields = (at, info, 0, index, address, 0) if self.wide else \
            (at, address, 0, info, 0, index)
        self.table += struct.pack(self.symbol, *fields)

    def sections(self, at):
        entry = struct.calcsize(self.symbol)
        rows = [(0,) * 10]
        ends = [address for address, _ in self.runs[1:]] + [self.end]
        for (address, code), end in zip(self.runs, ends):
            rows.append((1 if code else 7, 8, 6 if code else 3, address, at,
                         end - address, 0, 0, 1, 0))
        link = len(rows) + 1
        rows.append((13, 2, 0, 0, at, len(self.table), link, 1, 8, entry))
        rows.append((21, 3, 0, 0, at + len(self.table), len(self.strings), 0,
                     0, 1, 0))
        return rows

    def bytes(self):
        size = self.header_size
        rows = self.sections(size)
        body = bytes(self.table + self.strings)
        word = "Q" if self.wide else "I"
        header = b"\x7fELF" + bytes((2 if self.wide else 1, 1, 1)) + bytes(9)
        header += struct.pack(
            "<HHI" + word * 3 + "IHHHHHH", 2, self.machine, 1, 0, 0,
            size + len(body), 0, size, 0, 0, struct.calcsize(self.section),
            len(rows), len(rows) - 1)
        return header + body + b"".join(struct.pack(self.section, *row)
                                        for row in rows)


def read_map(path):
    symbols = []
    with open(path, encoding="latin-1") as lines:
        for line in lines:
            words = line.split()
            # absolute ones are numbers, or in each processor's own data
            if len(words) < 3 or words[1] in "aAUw":
                continue
            symbols.append((int(words[0], 16), words[1] in "tTwW", words[2]))
    if not symbols:
        raise gdb.GdbError("%s has no lines as a System.map has" % path)
    return sorted(symbols)


class MapSymbols(gdb.Command):
    """map-symbols FILE: names from a System.map or a guest's /proc/kallsyms.

Replaces gdb's symbol file; the monitor's own commands learn the names too."""

    def __init__(self):
        self.made = None
        super().__init__("map-symbols", gdb.COMMAND_FILES,
                         gdb.COMPLETE_FILENAME)

    def invoke(self, argument, from_tty):
        if not argument.strip():
            raise gdb.GdbError("map-symbols FILE: which System.map?")
        path = os.path.abspath(os.path.expanduser(argument.strip()))
        try:
            symbols = read_map(path)
        except (OSError, ValueError) as e:
            raise gdb.GdbError("map-symbols: %s" % e)
        # gdb reads it again when it likes.
        self.made = self.made or tempfile.TemporaryDirectory()
        elf = os.path.join(self.made.name, os.path.basename(path) + ".elf")
        with open(elf, "wb") as f:
            f.write(Elf(symbols).bytes())
        gdb.execute("symbol-file " + elf, to_string=True)
        gdb.write("%u names from %s\n" % (len(symbols), path))
        if is_ringside():
            gdb.execute("monitor symbols " + path, to_string=True)


class Relocate(gdb.Command):
    """relocate DELTA, or relocate NAME ADDRESS: the guest has moved itself.

All addresses of gdb's symbol file, and of the monitor's, become DELTA more than
the file says; or so that NAME is at ADDRESS.  A kernel that chooses its address
at random is found by something known of it: in `idt`, for example, the handler
of a vector."""

    def __init__(self):
        self.delta = 0
        super().__init__("relocate", gdb.COMMAND_FILES, gdb.COMPLETE_SYMBOL)

    def invoke(self, argument, from_tty):
        words = argument.split()
        path = gdb.current_progspace().filename or next(
            (o.filename for o in gdb.objfiles()), None)
        if len(words) not in (1, 2) or not path:
            raise gdb.GdbError("relocate DELTA | NAME ADDRESS, with a symbol "
                               "file loaded")
        delta = int(gdb.parse_and_eval(words[-1]))
        if len(words) == 2:
            delta += self.delta - int(gdb.parse_and_eval("&" + words[0]))
        gdb.execute("symbol-file -o %d %s" % (delta, path), to_string=True)
        self.delta = delta
        if is_ringside():
            gdb.execute("monitor symbols relocate %#x" %
                        (delta & 0xffffffffffffffff), to_string=True)
        gdb.write("moved by %#x\n" % delta)


MapSymbols()
Relocate()


class Mode(gdb.Parameter):
    """Whether gdb follows the processor's mode."""

    set_doc = "Set whether gdb follows the processor's mode."
    show_doc = "Show whether gdb follows the processor's mode."

    def __init__(self):
        super().__init__("follow-mode", gdb.COMMAND_DATA, gdb.PARAM_BOOLEAN)
        self.value = True

    def get_set_string(self):
        follower.busy = not self.value
        follower.forget()
        return ""

    def get_show_string(self, value):
        return "gdb follows the processor's mode: " + value


Mode()
