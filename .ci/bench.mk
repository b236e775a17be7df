# What things cost, as ratios within one run: the machines are noisy.
#
#   make bench-segments   counting, against a scan and against the parts of a text
#   make bench-send       send_all with 64 in flight, against a tight C program on curl_multi
#   make bench-guard      what the guard costs
#   make bench-nginx      what a page of nginx notices of a hundred sends under way
#   make bench-frames     what step(0) takes of a frame with 64 in flight
#   make bench-memory     a million messages of an iterator (a minute)

.PHONY: bench bench-send bench-nginx bench-frames bench-memory

bench: bench-segments bench-send bench-guard bench-nginx bench-frames bench-memory

build/bench/send: spec/bench/send.c spec/c/canned.c spec/c/canned.h
	@mkdir -p $(@D)
	$(say) "  LD  $@"
	$(quietly)$(CC) -std=c99 -Ispec/c $(CFLAGS) -o $@ spec/bench/send.c spec/c/canned.c $(CURL_LIBS) -lpthread

bench-send: build build/bench/send
	@build/bench/send 5.4 jit

bench-nginx: build
	@$(LUA54) spec/bench/nginx.lua

bench-frames: build
	@$(LUA54) spec/bench/frames.lua
	@$(LUAJIT) spec/bench/frames.lua

bench-memory: build build/bench/send
	@build/bench/send run 5.4 memory 1000000
	@build/bench/send run jit memory 1000000
