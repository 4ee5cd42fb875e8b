# pgusher. `make help` says what there is.
ifeq ($(origin CC),default)
CC      := gcc
endif
MODE    ?= release
BUILD   := build/$(MODE)
PREFIX  ?= /usr/local

WARN    := -Wall -Wextra -Wshadow -Werror -Wstrict-prototypes -Wmissing-prototypes -Wpointer-arith -Wvla
PQ_INC  := $(shell pg_config --includedir 2>/dev/null || echo /usr/include/postgresql)
VERSION := 0.1.0
CPPFLAGS += -DPGUSHER_VERSION=\"$(VERSION)\" -Icore -I. -isystem $(PQ_INC) -D_GNU_SOURCE -D_FILE_OFFSET_BITS=64
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
else ifeq ($(MODE),fuzz)
CFLAGS  += -O1 -fno-omit-frame-pointer -fsanitize=fuzzer-no-link,address,undefined -fno-sanitize-recover=undefined
LDFLAGS += -fsanitize=address,undefined
endif
LDFLAGS += -pthread

CORE_SRC := $(wildcard core/*.c core/*/*.c)
TUI_SRC  := $(wildcard tui/*.c tui/*/*.c)
CORE_OBJ := $(CORE_SRC:%.c=$(BUILD)/%.o)
TUI_OBJ  := $(TUI_SRC:%.c=$(BUILD)/%.o)
UNIT_SRC := $(wildcard tests/unit/test_*.c)
UNIT_BIN := $(UNIT_SRC:tests/unit/%.c=$(BUILD)/unit/%)

.PHONY: all pgusher help deps deps-test demo check test soak unit screens bench install uninstall clean lint fuzz fuzzers pgusher-clang
all: pgusher

help:
	@echo 'make demo       build, start two throwaway servers with live writes, open the wizard on them'
	@echo 'make check      install what the tests need, then run all of them'
	@echo 'make            build ./pgusher (make deps first installs what that needs)'
	@echo 'make install    into $(PREFIX) (PREFIX=... DESTDIR=...)'
	@echo 'make bench      figures against pg_dump, pg_restore and others, as ratios of one run'
	@echo 'make soak       the fault tests ten times in a row (SOAK=10, T="tunnel kill long/again" chooses)'
	@echo 'make test       the tests without installing anything; T="unit flows" chooses'
	@echo 'make lint fuzz  static analysis; the parsers against random input (FUZZ_SECONDS=10 each)'
	@echo 'make clean      MODE=release|asan|tsan and CC=clang choose the kind of build'

deps:
	@tests/lab/install build
deps-test:
	@tests/lab/install test
demo:
	@tests/lab/install demo
	@$(MAKE) -s -q $(BUILD)/pgusher 2>/dev/null || echo 'building pgusher: half a minute, or a whole one on a busy machine'
	@$(MAKE) -s -j2 pgusher
	@tests/lab/demo
check: deps-test
	@tests/run $(T)
test:
	@tests/run $(T)
SOAK ?= 10
soak: deps-test
	@$(MAKE) -s -j2 pgusher
	@tests/soak $(SOAK) $(T)
bench:
	@tests/lab/install bench
	@$(MAKE) -s -j2 pgusher
	@tests/bench/run


pgusher: $(BUILD)/pgusher
	@ln -sf $(BUILD)/pgusher pgusher

$(BUILD)/pgusher: $(TUI_OBJ) $(BUILD)/libcore.a
	$(CC) $(CFLAGS) $(LDFLAGS) -o $@ $^ $(LDLIBS_TUI) $(LDLIBS_CORE)

$(BUILD)/libcore.a: $(CORE_OBJ)
	@rm -f $@
	$(AR) rcs $@ $^

# CDK's headers are system headers: they define TAB, LEFT, boolean and do not pass our warnings.
$(BUILD)/tui/%.o: CPPFLAGS += -Itui -isystem /usr/include/cdk

$(BUILD)/%.o: %.c
	@mkdir -p $(@D)
	$(CC) $(CPPFLAGS) $(CFLAGS) -MMD -MP -pthread -c -o $@ $<

$(BUILD)/unit/%: tests/unit/%.c $(BUILD)/libcore.a
	@mkdir -p $(@D)
	$(CC) $(CPPFLAGS) $(CFLAGS) -MMD -MP $(LDFLAGS) -o $@ $< $(BUILD)/libcore.a -lcmocka $(LDLIBS_CORE)

SCREEN_BIN := $(patsubst tests/screens/%.c,$(BUILD)/screens/%,$(wildcard tests/screens/test_*.c))
# the terminal and the servers that all of them stand on
SCREEN_HELP := $(BUILD)/tests/screens/term.o $(BUILD)/tests/screens/bed.o
FUZZ_BIN   := $(patsubst tests/fuzz/%.c,build/fuzz/bin/%,$(wildcard tests/fuzz/fuzz_*.c))
BENCH_BIN  := $(patsubst tests/bench/%.c,$(BUILD)/bench/%,$(wildcard tests/bench/*.c))

unit: $(UNIT_BIN)
screens: pgusher $(SCREEN_BIN)
$(BUILD)/screens/%: tests/screens/%.c $(SCREEN_HELP) $(BUILD)/libcore.a
	@mkdir -p $(@D)
	$(CC) $(CPPFLAGS) $(CFLAGS) -MMD -MP $(LDFLAGS) -o $@ $< $(SCREEN_HELP) $(BUILD)/libcore.a -lcmocka -lvterm -lutil $(LDLIBS_CORE)
$(BUILD)/bench/ui: tests/bench/ui.c $(SCREEN_HELP) $(BUILD)/libcore.a
	@mkdir -p $(@D)
	$(CC) $(CPPFLAGS) $(CFLAGS) -MMD -MP $(LDFLAGS) -o $@ $< $(SCREEN_HELP) $(BUILD)/libcore.a -lcmocka -lvterm -lutil $(LDLIBS_CORE)
$(BUILD)/bench/%: tests/bench/%.c $(BUILD)/libcore.a
	@mkdir -p $(@D)
	$(CC) $(CPPFLAGS) $(CFLAGS) -MMD -MP $(LDFLAGS) -o $@ $< $(BUILD)/libcore.a -lvterm -lutil $(LDLIBS_CORE)

# Each parser for FUZZ_SECONDS against what libFuzzer makes up; core is compiled once more, by clang, with its coverage.
FUZZ_SECONDS ?= 10
fuzz:
	@$(MAKE) -s -j2 MODE=fuzz CC=clang fuzzers
	@bad=0; for f in $(FUZZ_BIN); do n=$$(basename $$f); mkdir -p build/fuzz/corpus/$$n; \
		if $$f -max_total_time=$(FUZZ_SECONDS) -timeout=10 -print_final_stats=1 -artifact_prefix=build/fuzz/$$n- build/fuzz/corpus/$$n \
			tests/fuzz/seeds/$$n >build/fuzz/$$n.log 2>&1; \
		then echo "ok fuzz $$n: $$(sed -n 's/^stat::number_of_executed_units: *//p' build/fuzz/$$n.log) inputs"; \
		else tail -n 60 build/fuzz/$$n.log; echo "not ok fuzz $$n"; bad=1; fi; done; exit $$bad
fuzzers: $(FUZZ_BIN)
build/fuzz/bin/%: tests/fuzz/%.c build/fuzz/libcore.a
	@mkdir -p $(@D)
	$(CC) $(CPPFLAGS) $(CFLAGS) -fsanitize=fuzzer $(LDFLAGS) -o $@ $< build/fuzz/libcore.a $(LDLIBS_CORE)

lint:
	@cppcheck --quiet --error-exitcode=1 --std=c11 --enable=warning,performance,portability --inline-suppr \
		--suppress=missingIncludeSystem --suppress=memleak:core/base/str.c --suppress=internalAstError --suppress=unknownMacro -Icore -Itui -D_GNU_SOURCE core tui && echo 'ok cppcheck'
	@printf '%s\n' $(CORE_SRC) | xargs -P $$(nproc) -n 4 sh -c 'clang-tidy --quiet --warnings-as-errors="*" --checks="-*,clang-analyzer-*,-clang-analyzer-security.insecureAPI.DeprecatedOrUnsafeBufferHandling,bugprone-*,-bugprone-easily-swappable-parameters,-bugprone-reserved-identifier,-bugprone-implicit-widening-of-multiplication-result,-bugprone-narrowing-conversions,-clang-analyzer-valist.Uninitialized,-clang-analyzer-optin.performance.Padding,-bugprone-sizeof-expression,-bugprone-macro-parentheses" \
		"$$@" -- $(CPPFLAGS) -std=gnu11 2>/dev/null' tidy && echo 'ok clang-tidy'
	@$(MAKE) -s CC=clang BUILD=build/clang pgusher-clang && echo 'ok clang builds it without a warning'
pgusher-clang: $(BUILD)/pgusher

install: pgusher
	install -d $(DESTDIR)$(PREFIX)/bin $(DESTDIR)$(PREFIX)/share/pgusher/themes $(DESTDIR)$(PREFIX)/share/man/man1
	install -m 755 $(BUILD)/pgusher $(DESTDIR)$(PREFIX)/bin/pgusher
	install -m 644 themes/*.ini $(DESTDIR)$(PREFIX)/share/pgusher/themes
	install -m 644 sample.ini $(DESTDIR)$(PREFIX)/share/pgusher/sample.ini
	install -m 644 tui/pgusher.1 $(DESTDIR)$(PREFIX)/share/man/man1/pgusher.1
uninstall:
	rm -f $(DESTDIR)$(PREFIX)/bin/pgusher $(DESTDIR)$(PREFIX)/share/man/man1/pgusher.1
	rm -rf $(DESTDIR)$(PREFIX)/share/pgusher

-include $(CORE_OBJ:.o=.d) $(TUI_OBJ:.o=.d) $(UNIT_BIN:=.d) $(SCREEN_BIN:=.d) $(SCREEN_HELP:.o=.d)

clean:
	rm -rf build pgusher
