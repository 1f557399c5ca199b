"""What tests/tui/commands.sh says: each row of the tables of commands and
views, asked at `:` on the screen, in the repl and as gdb's `monitor`; all
three must know it, and say the same."""
import os
import re
import subprocess
import sys

sys.path.insert(0, "tests/gdb")
from rsp import Client  # noqa: E402

ringside, guest, work = (os.path.abspath(path) for path in sys.argv[1:])
HERE = os.getcwd()
OPTIONS = ["--accel", "bt", "-m", "16M"]
STOP = "page_fault"
TO_STOP = [f"break {STOP}", "continue", "delete 1"]  # as gdb does it

# What each is asked, where its bare name is not enough.
ARGUMENTS = {
    "until": "0x10111b", "break": "inner", "tbreak": "inner",
    "watch": "counter", "rwatch": "counter", "awatch": "counter 2",
    "catch": "port 0x3f8", "check": "code on", "enable": "2", "disable": "2",
    "ignore": "2 2", "print": "counter", "set": "eax 1", "symbols": guest,
    "compare": f"{HERE}/tests/golden/other.json", "save": "saved.json regs",
    "help": "step", "type": "a  b", "layout": "small", "memory": "message 40",
    "phys": "0x103000 32", "walk": "cr2",
    "frames": "0x103000", "nested": "message", "shadow": "counter",
    "block": "inner", "disasm": "inner 3", "explain": "wp",
}
# There is a point to switch, or a screen to arrange.
FIRST = {name: "break outer" for name in ("enable", "disable", "ignore",
                                          "delete", "points")}
# What `monitor` says instead: the others leave without a word, or have
# something that it has not.
GDBS_OWN = {
    "quit": "the guest is off",
}
GUESTS_LAST = "Done.\n"                 # from its serial line
# The screen shows these by other means than words: the bar, the guest's line.
SHOWN = {"step", "next", "finish", "continue", "until", "layout", "theme"}
# For gdb itself, after a run.
ADVICE = "gdb has not noticed; type: maintenance flush register-cache\n"
# How one came to the stop, or the host's choice, is in these: the first word
# of what they say is enough.
LOOSE = {"exits", "stats", "shadow", "block", "why", "points"}


def names(path, word):
    with open(path, encoding="utf-8") as table:
        return re.findall(rf"^{word}\((\w+),", table.read(), re.M)


def repl(lines):
    done = subprocess.run([ringside, "debug", *OPTIONS, "--repl", guest],
                          cwd=work, input="\n".join(lines) + "\n", text=True,
                          capture_output=True, timeout=60, check=True,
                          env={**os.environ, "LC_ALL": "C"})    # as monitor
    return done.stdout.rsplit(f"(ringside) {lines[-1]}\n", 1)[1].removeprefix(
        GUESTS_LAST)


def screen(lines):
    with open(f"{work}/keys", "w", encoding="utf-8") as keys:
        for line in lines:
            keys.write(f":{line}\\r\\e\n")
        keys.write("vlog\\rz\n")
    done = subprocess.run([ringside, "debug", *OPTIONS, "--size", "300x150",
                           "--keys", f"{work}/keys", guest], text=True,
                          cwd=work, capture_output=True, timeout=60, check=True)
    return done.stdout


def monitor(lines):
    path = f"{work}/gdb"
    if os.path.exists(path):
        os.unlink(path)
    with subprocess.Popen([ringside, "run", *OPTIONS, "-S", "--gdb",
                           f"unix:{path}", "--serial", "null", guest],
                          cwd=work, stderr=subprocess.DEVNULL) as child:
        try:
            client = Client(path, timeout=60)
            at = client.monitor(f"print {STOP}").split()[0][2:]
            client.ask(f"Z0,{at},1")
            client.run("c")
            client.ask(f"z0,{at},1")
            for line in lines:
                said = client.monitor(line)
            client.close()
        finally:
            child.kill()
    return said.removesuffix(ADVICE)


def first_word(text):
    return next((w for w in text.split() if w[0].isalpha()), "")


def flat(text):
    """Its words: the screen breaks lines elsewhere."""
    return " ".join(text.split())


def same(name, a, b):
    a = re.sub("^guest: .*\n", "", a, flags=re.M)  # whose line the repl has
    return first_word(a) == first_word(b) if name in LOOSE else a == b


def check(name):
    """What is wrong with the row; None: nothing."""
    before = [FIRST[name]] if name in FIRST else []
    saved = f"{work}/saved.json"
    lines = [*before, f"{name} {ARGUMENTS.get(name, '')}".strip()]
    typed = repl([*TO_STOP, *lines])
    seen = screen([*TO_STOP, *lines])
    if os.path.exists(saved):           # `monitor save` writes new files only
        os.unlink(saved)
    gdbs = monitor(lines)
    if "no command" in typed + seen + gdbs:
        return "there is no such command"
    if name in GDBS_OWN:
        if GDBS_OWN[name] not in gdbs:
            return f"monitor says {gdbs!r}"
    elif not same(name, typed, gdbs):
        return f"the repl says {typed!r}, monitor {gdbs!r}"
    if name in SHOWN:
        return None
    wanted = [first_word(typed)] if name in LOOSE else typed.splitlines()
    lost = [line for line in wanted if flat(line) not in flat(seen)]
    return f"not on the screen: {lost[0]!r}" if lost else None


def main():
    failed = False
    for path, word in (("vmm/view/command.def", "COMMAND"),
                       ("vmm/view/view.def", "VIEW")):
        for name in names(path, word):
            try:
                why = check(name)
            except (subprocess.SubprocessError, OSError, ValueError) as error:
                why = str(error)
            failed = failed or why is not None
            print(f"FAIL commands {name}: {why}" if why else
                  f"PASS commands {name}", flush=True)
    sys.exit(failed)


main()
