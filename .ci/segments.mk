# What counting costs, whether its fast ways agree with its slow ones, and the way without SIMD.

.PHONY: bench-segments fuzz test-portable

CORE_SOURCES = $(sort $(wildcard csrc/core/*.c))
CORE_HEADERS = $(wildcard csrc/core/*.h csrc/core/*.def)
FUZZ_SECONDS ?= 60
FUZZ_CC ?= clang

# ---- speed ------------------------------------------------------------------------------------

build/bench/segments: spec/bench/segments.c $(CORE_SOURCES) $(CORE_HEADERS)
	@mkdir -p $(@D)
	$(say) "  LD  $@"
	$(quietly)$(CC) $(TLX_CFLAGS) $(CFLAGS) -o $@ spec/bench/segments.c $(CORE_SOURCES) -lm

bench-segments: build build/bench/segments
	@echo "== C" && build/bench/segments
	@echo && echo "== Lua 5.4, one call and its result" && $(LUA54) spec/bench/segments.lua
	@echo && echo "== LuaJIT, the same" && $(LUAJIT) spec/bench/segments.lua

# ---- random texts -------------------------------------------------------------------------------

build/fuzz/segments: spec/c/fuzz_segments.c $(CORE_SOURCES) $(CORE_HEADERS)
	@mkdir -p $(@D)
	$(say) "  LD  $@"
	$(quietly)$(FUZZ_CC) $(TLX_CFLAGS) -O1 -g -fno-omit-frame-pointer -fno-sanitize-recover=all \
	  -fsanitize=fuzzer,address,undefined -o $@ spec/c/fuzz_segments.c $(CORE_SOURCES) -lm

# What it finds on the way stays in build/fuzz/corpus, so that the next run starts from there.
fuzz: build/fuzz/segments
	@mkdir -p build/fuzz/seeds build/fuzz/corpus
	@$(call paths,5.4) lua5.4 spec/c/fuzz_seeds.lua build/fuzz/seeds
	@echo "fuzzing for $(FUZZ_SECONDS) s"
	@build/fuzz/segments -max_total_time=$(FUZZ_SECONDS) -max_len=4096 -timeout=10 -verbosity=0 \
	  -print_final_stats=1 -artifact_prefix=build/fuzz/ build/fuzz/corpus build/fuzz/seeds \
	  >build/fuzz/log 2>&1 || { tail -n 60 build/fuzz/log; exit 1; }
	@grep '^stat::' build/fuzz/log

# ---- without SIMD -------------------------------------------------------------------------------

build/portable-5.4/telnyx/core.so: $(SOURCES) $(CORE_HEADERS)
	@mkdir -p $(@D)
	$(say) "  LD  $@"
	$(quietly)$(CC) $(LIBFLAG) $(TLX_CFLAGS) $(CFLAGS) -DTLX_PORTABLE $(call lua_include,5.4) \
	  $(TLX_LDFLAGS) $(LDFLAGS) -o $@ $(SOURCES) $(CURL_LIBS) -lm -lpthread

test-portable: build/portable-5.4/telnyx/core.so
	@echo "== Lua 5.4, without SIMD"
	@$(call paths,portable-5.4) lua5.4 /usr/bin/busted spec/segments_spec.lua spec/segments_advice_spec.lua
