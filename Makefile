# Ringside.  `make help` lists what can be made.
# All goals are built out of tree, in $(BUILD).

BUILD   ?= build
ifeq ($(origin CC),default)
CC := gcc
endif
OPT     ?= -O2
PREFIX  ?= /usr/local

WARN := -Wall -Wextra -Wshadow -Wstrict-prototypes -Wmissing-prototypes \
        -Wundef -Wvla -Wcast-qual -Wformat=2 -Wimplicit-fallthrough \
        -Wconversion -Wsign-conversion
CFLAGS   ?= $(OPT) -g
ALLFLAGS := -std=gnu17 -D_GNU_SOURCE -I. $(WARN) -Werror $(CFLAGS) $(SAN) \
            -fno-omit-frame-pointer -pthread
LIBS     := -lZydis -lmd -pthread

SRCS  := $(shell find vmm gdbstub tui traces -name '*.c' -o -name '*.S' | sort)
OBJS  := $(patsubst %,$(BUILD)/obj/%.o,$(SRCS))
LIBOBJS := $(filter-out $(BUILD)/obj/vmm/main.c.o,$(OBJS))
UNIT_SRCS := $(shell find tests/unit -name 'test_*.c' 2>/dev/null | sort)
UNIT_BINS := $(patsubst %.c,$(BUILD)/%,$(UNIT_SRCS))

.PHONY: all unit clean help
all: $(BUILD)/ringside ## build the monitor

$(BUILD)/ringside: $(OBJS)
	@echo "  LD $@"; $(CC) $(ALLFLAGS) -o $@ $^ $(LIBS)

$(BUILD)/obj/%.o: %
	@mkdir -p $(@D)
	@echo "  CC $<"; $(CC) $(ALLFLAGS) -MMD -MP -c -o $@ $<

$(BUILD)/tests/unit/%: tests/unit/%.c $(LIBOBJS)
	@mkdir -p $(@D)
	@echo "  LD $@"; $(CC) $(ALLFLAGS) -MMD -MP -o $@ $< $(LIBOBJS) $(LIBS) -lcmocka

unit: $(UNIT_BINS) ## build and run the unit tests
	@for t in $(UNIT_BINS); do $$t || exit 1; done

help: ## list the goals
	@sed -n 's/^\([a-z-]*\):.*## \(.*\)/\1\t\2/p' $(MAKEFILE_LIST) | expand -t 12

clean: ## remove what was built
	rm -rf $(BUILD)

-include $(OBJS:.o=.d)
