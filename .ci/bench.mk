# What things cost, as ratios within one run: the machines are noisy.
#
#   make bench            all of it: the page of bench-send first
#   make bench-send       one page: a message, against libcurl's own HTTP in C (three minutes)
#   make bench-where      by function, where the instructions of a message go
#   make bench-frames     what step(0) takes of a frame, with 64 in flight and 64 answers at once
#   make bench-segments   counting, against a scan and against the parts of a text
#   make bench-validate   judging a message, against lua-cjson's writing of it
#   make bench-nginx      what a page of nginx notices of a hundred sends under way
#   make bench-journal    what a key costs, by journal and processes, and among a million rows
#   make bench-outbox     what an outbox costs, by journal and workers, and among a million rows
#   make bench-scale      how far one database carries an outbox: simulated (docs/scale.md)
#   make bench-phones     the sandbox with a thousand pages open and 200,000 messages (two minutes)
#   make bench-memory     a million messages of an iterator (a minute)
#
# They need what make deps-check installs; without valgrind or strace their columns say "-".

.PHONY: bench bench-send bench-where bench-frames bench-nginx bench-journal bench-outbox bench-scale \
  bench-memory bench-phones bench-validate

bench: bench-send bench-frames bench-segments bench-validate bench-nginx bench-journal bench-outbox bench-memory \
  bench-phones

BENCH_CFLAGS = -std=c99 -Ispec/c -Wall -Wextra -pedantic -Wshadow -Wstrict-prototypes \
  -Wmissing-prototypes $(if $(filter 1,$(WERROR)),-Werror)
BENCH_TOOLS = build/bench/post build/bench/cost build/bench/with_service build/bench/service.pem

build/bench/post: $(wildcard spec/bench/post*.c)
build/bench/post: BENCH_LIBS = $(CURL_LIBS)
build/bench/cost: spec/bench/cost.c
build/bench/with_service: spec/bench/with_service.c spec/bench/tls.c spec/c/canned.c
build/bench/with_service: BENCH_LIBS = -lssl -lcrypto

build/bench/post build/bench/cost build/bench/with_service: $(wildcard spec/bench/*.h) spec/c/canned.h
	@mkdir -p $(@D)
	$(say) "  LD  $@"
	$(quietly)$(CC) $(BENCH_CFLAGS) $(CFLAGS) -o $@ $(filter %.c,$^) $(BENCH_LIBS)

build/bench/service.pem:
	@mkdir -p $(@D)
	$(quietly)openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 3650 \
	  -subj /CN=127.0.0.1 -addext subjectAltName=IP:127.0.0.1 -keyout $@ -out $@ 2>/dev/null

# For a recipe: a program that runs with a service to talk to, and Luas that each find their own build.
with_service = $(both_paths) build/bench/with_service build/bench/service.pem

bench-send: build $(BENCH_TOOLS)
	@$(with_service) lua5.4 spec/bench/page.lua

bench-where: build $(BENCH_TOOLS)
	@$(with_service) lua5.4 spec/bench/where.lua

bench-frames: build $(BENCH_TOOLS)
	@$(with_service) lua5.4 spec/bench/frames.lua
	@$(with_service) luajit spec/bench/frames.lua

bench-validate: build
	@$(LUA54) spec/bench/validate.lua

bench-nginx: build
	@$(LUA54) spec/bench/nginx.lua

bench-journal: build
	@$(LUA54) spec/bench/journal.lua

bench-outbox: build
	@$(LUA54) spec/bench/outbox.lua

bench-scale:
	@lua5.4 spec/bench/scale.lua

bench-memory: build $(BENCH_TOOLS)
	@$(with_service) lua5.4 spec/bench/memory.lua 1000000
	@$(with_service) luajit spec/bench/memory.lua 1000000

bench-phones: build build/5.1/telnyx/core.so
	@$(LUA54) spec/bench/phones.lua
