# What counting costs, and the way without SIMD.

.PHONY: bench-segments test-portable

CORE_SOURCES = $(sort $(wildcard csrc/core/*.c))
CORE_HEADERS = $(wildcard csrc/core/*.h csrc/core/*.def)

# ---- speed ------------------------------------------------------------------------------------

build/bench/segments: spec/bench/segments.c $(CORE_SOURCES) $(CORE_HEADERS)
	@mkdir -p $(@D)
	$(say) "  LD  $@"
	$(quietly)$(CC) $(TLX_CFLAGS) $(CFLAGS) -o $@ spec/bench/segments.c $(CORE_SOURCES) -lm

bench-segments: build build/bench/segments
	@echo "== C" && build/bench/segments
	@echo && echo "== Lua 5.4, one call and its result" && $(LUA54) spec/bench/segments.lua
	@echo && echo "== LuaJIT, the same" && $(LUAJIT) spec/bench/segments.lua

# ---- without SIMD -------------------------------------------------------------------------------

build/portable-5.4/telnyx/core.so: $(SOURCES) $(CORE_HEADERS)
	@mkdir -p $(@D)
	$(say) "  LD  $@"
	$(quietly)$(CC) $(LIBFLAG) $(TLX_CFLAGS) $(CFLAGS) -DTLX_PORTABLE $(call lua_include,5.4) \
	  $(TLX_LDFLAGS) $(LDFLAGS) -o $@ $(SOURCES) $(libraries)

test-portable: build/portable-5.4/telnyx/core.so
	@echo "== Lua 5.4, without SIMD"
	@$(call paths,portable-5.4) lua5.4 /usr/bin/busted spec/segments_spec.lua \
	  spec/segments_advice_spec.lua spec/validate_spec.lua spec/rules_spec.lua spec/endpoint_spec.lua
