# Ringside.  `make help` lists what can be made.
# Everything is built out of tree, in $(BUILD).

BUILD  ?= build
PREFIX ?= /usr/local
OPT    ?= -O2
ifeq ($(origin CC),default)
CC := gcc
endif

WARN := -Wall -Wextra -Wshadow -Wstrict-prototypes -Wmissing-prototypes \
        -Wundef -Wvla -Wcast-qual -Wformat=2 -Wimplicit-fallthrough \
        -Wconversion -Wsign-conversion
# What clang means to add to these and the manner here does not.
ifneq ($(findstring clang,$(CC)),)
WARN += -Wno-string-conversion -Wno-gnu-variable-sized-type-not-at-end
endif
# Warnings are errors with the compilers that we know; another one's new
# warning must not stop a newcomer.
WERROR ?= $(if $(filter 12 14.0.6,$(shell $(CC) -dumpversion \
          2>/dev/null)),-Werror)
CFLAGS ?= $(OPT) -g
ALLFLAGS := -std=gnu17 -D_GNU_SOURCE -I. $(WARN) $(WERROR) $(CFLAGS) $(SAN) \
            -fno-omit-frame-pointer -pthread
LIBS := -lZydis -lmd -ljansson -ldw -lelf -ledit -lncursesw -ltinfo \
        -pthread -ldl -lm

# What Debian has to provide: to build and run, and to test.
DEPS := gcc libc6-dev make gcc-multilib cpio busybox-static libdw-dev \
        libedit-dev libelf-dev libjansson-dev libmd-dev libncurses-dev \
        libzydis-dev
TEST_DEPS := acpica-tools libcmocka-dev libvterm-dev gdb qemu-system-x86 expect tmux xz-utils
LINT_DEPS := clang-format clang-tidy shellcheck man-db
FUZZ_DEPS := clang

# As many at once as there are processors, unless somebody said otherwise.
JOBS = $(if $(findstring -j,$(MAKEFLAGS)),,-j$(shell nproc))

SRC_DIRS := $(wildcard vmm gdbstub tui traces)
SRCS := $(shell find $(SRC_DIRS) -name '*.c' -o -name '*.S' | sort)
OBJS := $(patsubst %,$(BUILD)/obj/%.o,$(SRCS))
LIBOBJS := $(filter-out $(BUILD)/obj/vmm/main.c.o,$(OBJS))
UNIT_SRCS := $(shell find tests/unit -name 'test_*.c' 2>/dev/null | sort)
UNIT_BINS := $(patsubst %.c,$(BUILD)/%,$(UNIT_SRCS))
FUZZ_SRCS := $(shell find tests/fuzz -name 'fuzz_*.c' 2>/dev/null | sort)
SCRIPTS := $(shell find tests labs tools .ci -name '*.sh' 2>/dev/null) .ci/run

.DEFAULT_GOAL := all
.DELETE_ON_ERROR:
.PHONY: all demo test unit check-kvm lint asan bench fuzz install clean help \
        guests docs deps test-deps

##@ The two that a newcomer needs
demo: deps ## boot the guests on both accelerators and compare their exits
	@$(MAKE) --no-print-directory $(JOBS) all guests
	@BUILD=$(BUILD) tools/demo.sh
test: ## run every test that this machine can run
	@tools/deps.sh $(DEPS) $(TEST_DEPS)
	@$(MAKE) --no-print-directory $(JOBS) all guests unit-bins
	@BUILD=$(BUILD) tests/run-all.sh

##@ Building
all: $(BUILD)/ringside ## build the monitor: build/ringside
guests: ## build the guests that come with the source
docs: $(BUILD)/docs/ringside.1 ## write what the tables document
	@mkdir -p course-notes/generated
	@cp $(BUILD)/docs/*.md course-notes/generated/

# PREFIX and DESTDIR as usual.
install: all guests $(BUILD)/docs/ringside.1 ## install under PREFIX (/usr/local)
	install -D -m 755 $(BUILD)/ringside $(DESTDIR)$(PREFIX)/bin/ringside
	install -D -m 644 $(BUILD)/docs/ringside.1 \
	    $(DESTDIR)$(PREFIX)/share/man/man1/ringside.1
	install -D -m 644 $(BUILD)/docs/ringside.bash \
	    $(DESTDIR)$(PREFIX)/share/bash-completion/completions/ringside
	@for f in $(wildcard gdbstub/*.py) $(INSTALL_GUESTS); do \
	    install -v -D -m 644 $$f \
	        $(DESTDIR)$(PREFIX)/share/ringside/$$(basename $$f) || exit 1; \
	done
clean: ## remove what was built
	rm -rf $(BUILD)

##@ Testing
unit: unit-bins ## the unit tests alone
	@for t in $(UNIT_BINS); do $$t || exit 1; done
check-kvm: all guests unit-bins ## the KVM tests, in a complete KVM under QEMU
	@BUILD=$(BUILD) tests/check-kvm.sh
asan: ## the tests again under the address and UB sanitizers
	@$(MAKE) --no-print-directory BUILD=$(BUILD)/asan OPT=-O1 WERROR= \
	    SAN='-fsanitize=address,undefined -fno-sanitize-recover=undefined' \
	    test
lint: all ## format, layers, lengths, generated pages, static analysis
	@BUILD=$(BUILD) CC=$(CC) tests/lint/lint.sh
bench: all guests ## measure; compares with QEMU where it is installed
	@for b in $(wildcard tests/bench/*.sh); do BUILD=$(BUILD) $$b || exit 1; done
fuzz: ## fuzz every parser for FUZZ_SECONDS (20) each
	@BUILD=$(BUILD) tests/fuzz/fuzz.sh

##@ Else
deps: ## install the Debian packages that building needs
	@tools/deps.sh $(DEPS)
test-deps: ## install those that testing needs
	@tools/deps.sh $(TEST_DEPS)
lint-deps: ## install those that lint and fuzz need
	@tools/deps.sh $(LINT_DEPS) $(FUZZ_DEPS)
help: ## list the goals
	@awk '/^##@ /{print "\n" substr($$0, 5) ":"} \
	    /^[a-z-]+:.*## /{split($$0, a, ":.*## "); \
	    printf "  make %-12s %s\n", a[1], a[2]}' Makefile

# ---- how ------------------------------------------------------------------

.PHONY: unit-bins fuzz-bins lint-deps
unit-bins: $(UNIT_BINS) $(patsubst tests/fuzz/%.c,$(BUILD)/tests/replay/%,$(FUZZ_SRCS))
fuzz-bins: $(patsubst %.c,$(BUILD)/%,$(FUZZ_SRCS))

$(BUILD)/ringside: $(OBJS)
	@echo "  LD $@"; $(CC) $(ALLFLAGS) -o $@ $^ $(LIBS)

$(BUILD)/obj/%.o: %
	@mkdir -p $(@D)
	@echo "  CC $<"; $(CC) $(ALLFLAGS) -MMD -MP -c -o $@ $<

$(BUILD)/tests/unit/%: tests/unit/%.c $(LIBOBJS)
	@mkdir -p $(@D)
	@echo "  LD $@"; $(CC) $(ALLFLAGS) -MMD -MP -MT $@ -MF $@.d -o $@ $< \
	    $(LIBOBJS) $(LIBS) -lcmocka

$(BUILD)/tests/fuzz/%: tests/fuzz/%.c $(LIBOBJS)
	@mkdir -p $(@D)
	@echo "  LD $@"; $(CC) $(ALLFLAGS) -fsanitize=fuzzer -MMD -MP -MT $@ \
	    -MF $@.d -o $@ $< $(LIBOBJS) $(LIBS)

$(BUILD)/tests/replay/%: tests/fuzz/%.c tests/fuzz/replay.c $(LIBOBJS)
	@mkdir -p $(@D)
	@echo "  LD $@"; $(CC) $(ALLFLAGS) -o $@ $< tests/fuzz/replay.c \
	    $(LIBOBJS) $(LIBS)

$(BUILD)/docs/ringside.1: $(BUILD)/ringside
	@$(BUILD)/ringside gen-docs $(BUILD)/docs

# Guests say themselves how they are built; they add to `guests` and to
# INSTALL_GUESTS.
-include labs/guests/guests.mk
include tests/diff/diff.mk
-include tests/guest/priv/priv.mk
-include tests/guest/classic/classic.mk
include tests/tui/tui.mk

-include $(OBJS:.o=.d) $(addsuffix .d,$(UNIT_BINS))
