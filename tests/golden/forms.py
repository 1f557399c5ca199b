"""What tests/golden/forms.sh says: each view of the golden guest as text, JSON
and SVG; the keys of the JSON are those of course-notes/generated/views.md."""
import fnmatch
import json
import os
import re
import subprocess
import sys
import xml.dom.minidom

build = sys.argv[1]
guest = f"{build}/golden/forms.elf"
ringside = f"{build}/ringside"

# What each view is asked, where an empty question is not enough.
QUESTIONS = {
    "memory": ["message 40", "phys:0x1000 16 w"],
    "walk": ["cr2", "cr2 step 1", "counter w", "counter step 0",
             "counter step 9", "0xc0000000 u"],
    "nested": ["counter", "counter 5 step 3", "counter 4 2m", "cr2"],
    "shadow": ["counter", "cr2", "0xc0000000"],
    "tree": ["", "depth 3", "!w"],
    "frames": ["0x103000"],
    "exits": ["", "PIO", "PIO 0x3f8", "PAGE_FILL"],
    "devices": ["", "com1"],
    "disasm": ["inner 3"],
    "block": ["inner"],
    "explain": ["", "cr0", "PIO", "wp"],
}
# The golden guest has neither: the view says so, and fails.
FAILS = {"ldt", "tss"}
# Keys that only other guests, accelerators or stops have.
ELSEWHERE = {("regs", "r*"), ("why", "touched"), ("why", "exit"),
             ("why", "last_stop"), ("why", "instructions_then"),
             ("tree", "since_the_last_stop"), ("exits", "beside")}
ELSEWHERE_TABLES = {("exits", "kernel"), ("why", "causes"), ("points", "points"),
                    ("explain", "bits"), ("explain", "words")}
ELSEWHERE_COLUMNS = {("exits", "exits", key)
                     for key in ("bt", "kvm", "other*", "*_mean", "*_times")}


def documented():
    """{view: {(table, key pattern)}} from the generated page."""
    pages = f"{build}/golden/docs"
    subprocess.run([ringside, "gen-docs", pages], check=True)
    views, name = {}, None
    with open(f"{pages}/views.md", encoding="utf-8") as page:
        for line in page:
            heading = re.match(r"## (\S+)", line)
            row = re.match(r"\| (\S*) ?\| `([^`]*)` \|", line)
            if heading:
                name = heading.group(1)
                views[name] = set()
            elif row:
                views[name].add((row.group(1), row.group(2)))
    return views


def run(form, view, question):
    command = [ringside, "view", "--accel", "bt", "-m", "16M", "--stop-at",
               "page_fault", *form, view, guest, *question.split()]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60)
    return done.returncode, done.stdout if done.returncode == 0 else done.stderr


def keys_of(obj):
    """All (table, key) of a view's object."""
    found = set()
    for key, value in obj.items():
        if key in ("view", "notes"):
            continue
        if isinstance(value, list):
            found |= {(key, column) for row in value for column in row}
        else:
            found.add(("", key))
    return found


def matches(found, pattern):
    return found[0] == pattern[0] and fnmatch.fnmatchcase(found[1], pattern[1])


def elsewhere(view, pattern):
    return (view in FAILS or (view, pattern[1]) in ELSEWHERE or
            (view, pattern[0]) in ELSEWHERE_TABLES or
            (view, *pattern) in ELSEWHERE_COLUMNS)


def check_json(view, patterns):
    seen = set()
    for question in QUESTIONS.get(view, [""]):
        status, text = run(["--json"], view, question)
        if (status != 0) != (view in FAILS):
            return f"{question}: status {status}: {text.strip()[:80]}"
        obj = json.loads(text)
        if obj["view"] != view or not isinstance(obj["notes"], list):
            return f"{question}: no view or notes"
        seen |= keys_of(obj)
    for found in sorted(seen):
        if not any(matches(found, p) for p in patterns):
            return f"{'/'.join(found)} is not in views.md (view_keys.def)"
    for pattern in sorted(patterns):
        if not any(matches(f, pattern) for f in seen) and \
                not elsewhere(view, pattern):
            return f"{'/'.join(pattern)} is documented, but never printed"
    return None


def check_svg(view):
    for question in QUESTIONS.get(view, [""]):
        _, text = run(["--svg"], view, question)
        top = xml.dom.minidom.parseString(text.encode()).documentElement
        if top.tagName != "svg" or not top.getAttribute("viewBox"):
            return f"{question}: not an svg element with a viewBox"
    return None


def check_text(view):
    if view == "block":
        return None  # has addresses that are the host's choice
    question = QUESTIONS.get(view, [""])[0]
    timed = re.compile(r"[\d.,]+(ns|us|ms|s)?\b|[\u2581-\u258f]| +")
    plain = run([], view, question)
    text = run(["--json", "--text"], view, question)
    if timed.sub("", plain[1]) != timed.sub("", text[1]):
        return "--text is not what is printed without it"
    return None


def main():
    os.makedirs(f"{build}/golden", exist_ok=True)
    subprocess.run(["gcc", "-m32", "-g", "-nostdlib", "-static", "-no-pie",
                    "-Wl,--build-id=none", "-Wl,--no-warn-rwx-segments",
                    "-Wl,-z,noexecstack", "-Wl,-e,start",
                    "-Wl,-Ttext-segment=0x100000", "tests/golden/guest.S",
                    "-o", guest], check=True)
    failed = False
    for view, patterns in documented().items():
        for name, result in (("json", check_json(view, patterns)),
                             ("svg", check_svg(view)),
                             ("text", check_text(view))):
            failed |= result is not None
            print(f"FAIL {name} {view}: {result}" if result
                  else f"PASS {name} {view}")
    sys.exit(failed)


main()
