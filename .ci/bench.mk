# What things cost, as ratios within one run: the machines are noisy.

.PHONY: bench bench-send

bench: bench-segments bench-send bench-guard

build/bench/send: spec/bench/send.c spec/c/canned.c spec/c/canned.h
	@mkdir -p $(@D)
	$(say) "  LD  $@"
	$(quietly)$(CC) -std=c99 -Ispec/c $(CFLAGS) -o $@ spec/bench/send.c spec/c/canned.c $(CURL_LIBS) -lpthread

bench-send: build build/bench/send
	@build/bench/send 5.4 jit
