# The promise, tried: one call never sends two messages, and every failure says whether it went out.
#
#   make chaos             thousands of sends through foul weather, on Lua 5.4 and LuaJIT, then the books
#   make chaos-unguarded   the same with the guard compiled out must find messages sent twice
#   make oom               every allocation of every call fails in turn
#   make asan valgrind     the specs and the chaos under sanitizers; some of it under valgrind
#   make fork threads      across a fork; 32 threads with a state each
#   make bench-guard       what the guard costs: instructions for a message with and without it

.PHONY: chaos chaos-unguarded chaos-fallback oom asan valgrind fork threads bench-guard

HEADERS = $(wildcard csrc/core/*.[hd]* csrc/http/*.h csrc/lua/*.h)

# Special builds of the module, each in one go: name, Lua version, flags.
define variant
build/$(1)-$(2)/telnyx/core.so: $(SOURCES) $(HEADERS) .ci/proof.mk
	@mkdir -p $$(@D)
	$$(say) "  CC  $$@"
	$$(quietly)$$(CC) $$(LIBFLAG) $$(TLX_CFLAGS) $$(CFLAGS) $(3) $$(TLX_LDFLAGS) $$(LDFLAGS) \
	  $$(call lua_include,$(2)) $$(if $$(CURL_INCDIR),-I$$(CURL_INCDIR)) -o $$@ $(SOURCES) \
	  $$(if $$(CURL_LIBDIR),-L$$(CURL_LIBDIR)) $$(CURL_LIBS) -lm -lpthread
endef

SANITIZE = -g -O1 -fno-omit-frame-pointer -fsanitize=address,undefined \
  -fno-sanitize-recover=undefined

$(eval $(call variant,unguarded,5.4,-DTLX_WITHOUT_GUARD))
$(eval $(call variant,fallback,5.4,-DTLX_WITHOUT_PREREQ))
$(eval $(call variant,asan,5.4,$(SANITIZE)))
$(eval $(call variant,asan,5.1,$(SANITIZE)))
$(eval $(call variant,tsan,5.4,-g -O1 -fsanitize=thread))

# ---- chaos ------------------------------------------------------------------------------------

CHAOS = spec/chaos/run.lua

chaos: build chaos-fallback
	@$(LUA54) $(CHAOS)
	@$(LUAJIT) $(CHAOS)

# What libcurl before 7.80 gets: a fresh connection for each request.
chaos-fallback: build/fallback-5.4/telnyx/core.so
	@echo "== a fresh connection for each request"
	@CHAOS_SENDS=$(or $(CHAOS_SENDS),2000) $(call paths,fallback-5.4) lua5.4 $(CHAOS)

chaos-unguarded: build/unguarded-5.4/telnyx/core.so
	@CHAOS_EXPECT=duplicates CHAOS_SENDS=$(or $(CHAOS_SENDS),2000) \
	  $(call paths,unguarded-5.4) lua5.4 $(CHAOS)
