"""Ringside's commands for gdb 13 and later:

    (gdb) source ringside-gdb.py
    (gdb) target remote :1234

- gdb follows the processor's mode.  The layout of registers and the
  disassembly change from 16 to 32 to 64 bits and back where the guest does.
  (The stub changes a register's size only when gdb reads the target
  description again; this script has gdb do so.)
- `ringside COMMAND` and short commands for the monitor's views: walk, gdt, idt,
  tss, e820, exits, devices, why, catch.  `ringside help` lists all.
- nothing here knows of any operating system.
"""
import gdb

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


class ModeFollower:
    """At each stop: if the mode has changed, the description is read anew."""

    def __init__(self):
        self.architecture = None
        self.busy = False
        gdb.events.stop.connect(self.on_stop)
        gdb.events.exited.connect(self.forget)

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


class Ringside(gdb.Command):
    """ringside COMMAND...: a command or view of the monitor's debugger.

The same as `monitor COMMAND`; arguments that begin with $ or & or hold gdb's
names are evaluated by gdb first, as in `ringside walk &main`."""

    def __init__(self):
        super().__init__("ringside", gdb.COMMAND_DATA)

    def invoke(self, argument, from_tty):
        gdb.execute("monitor " + argument, from_tty)
        if argument.split()[:1] in (["set"], ["reset"]):
            gdb.execute("maintenance flush register-cache", to_string=True)


def evaluated(word):
    """A word as the monitor takes it: a number if gdb can make one of it."""
    try:
        value = gdb.parse_and_eval(word)
        if value.type.code == gdb.TYPE_CODE_FUNC:
            value = value.address
        return hex(int(value) & 0xffffffffffffffff)
    except (gdb.error, ValueError, OverflowError):
        return word


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
        gdb.execute(" ".join(["monitor", self.view] + words), from_tty)


for row in (
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
