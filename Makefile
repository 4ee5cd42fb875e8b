# pgusher. `make help` says what there is.
CC      ?= gcc
MODE    ?= release
BUILD   := build/$(MODE)
PREFIX  ?= /usr/local

WARN    := -Wall -Wextra -Wshadow -Werror -Wstrict-prototypes -Wmissing-prototypes -Wpointer-arith -Wvla
PQ_INC  := $(shell pg_config --includedir 2>/dev/null || echo /usr/include/postgresql)
CPPFLAGS += -Icore -I. -isystem $(PQ_INC) -D_GNU_SOURCE -D_FILE_OFFSET_BITS=64
CFLAGS  += -std=gnu11 -g $(WARN)
LDLIBS_CORE := -lpq -ljansson -linih -lm
# CDK is linked statically: Debian's libcdk.so brings the narrow libncurses into the process.
# The two wrapped functions are the UTF-8 shim, tui/widgets/cdk_text.c.
LDLIBS_TUI  := -Wl,--wrap=waddch,--wrap=wrefresh -l:libcdk.a -lncursesw -ltinfo

ifeq ($(MODE),release)
CFLAGS  += -O2 -D_FORTIFY_SOURCE=2 -fstack-protector-strong
else ifeq ($(MODE),asan)
CFLAGS  += -O1 -fno-omit-frame-pointer -fsanitize=address,undefined -fno-sanitize-recover=undefined
LDFLAGS += -fsanitize=address,undefined
else ifeq ($(MODE),tsan)
CFLAGS  += -O1 -fsanitize=thread
LDFLAGS += -fsanitize=thread
endif
LDFLAGS += -pthread

CORE_SRC := $(wildcard core/*.c core/*/*.c)
TUI_SRC  := $(wildcard tui/*.c tui/*/*.c)
CORE_OBJ := $(CORE_SRC:%.c=$(BUILD)/%.o)
TUI_OBJ  := $(TUI_SRC:%.c=$(BUILD)/%.o)
UNIT_SRC := $(wildcard tests/unit/test_*.c)
UNIT_BIN := $(UNIT_SRC:tests/unit/%.c=$(BUILD)/unit/%)

.PHONY: all help deps deps-test demo check unit bench install uninstall clean lint fuzz
all: pgusher

pgusher: $(BUILD)/pgusher
	@ln -sf $(BUILD)/pgusher pgusher

$(BUILD)/pgusher: $(TUI_OBJ) $(BUILD)/libcore.a
	$(CC) $(CFLAGS) $(LDFLAGS) -o $@ $^ $(LDLIBS_TUI) $(LDLIBS_CORE)

$(BUILD)/libcore.a: $(CORE_OBJ)
	@rm -f $@
	$(AR) rcs $@ $^

# CDK's headers are system headers: they define TAB, LEFT, boolean and do not pass our warnings.
$(BUILD)/tui/%.o: CPPFLAGS += -isystem /usr/include/cdk

$(BUILD)/%.o: %.c
	@mkdir -p $(@D)
	$(CC) $(CPPFLAGS) $(CFLAGS) -MMD -MP -pthread -c -o $@ $<

$(BUILD)/unit/%: tests/unit/%.c $(BUILD)/libcore.a
	@mkdir -p $(@D)
	$(CC) $(CPPFLAGS) $(CFLAGS) -MMD -MP $(LDFLAGS) -o $@ $< $(BUILD)/libcore.a -lcmocka $(LDLIBS_CORE)

-include $(CORE_OBJ:.o=.d) $(TUI_OBJ:.o=.d) $(UNIT_BIN:=.d)

clean:
	rm -rf build pgusher
