# The promise, tried: one call never sends two messages, and every failure says whether it went out.
#
#   make chaos             thousands of sends through foul weather, on Lua 5.4 and LuaJIT, then the books
#   make chaos-unlooked    the same without the look before a request must find sends that are wrong
#   make kills             under a key: processes that send are killed by the hundred, and at each step and
#                          system call; a journal that takes the dead for idle must be found out
#   make oom               every allocation of every call fails in turn
#   make asan valgrind     the specs and the chaos under sanitizers; some of it under valgrind
#   make fork threads      across a fork; 32 threads with a state each
#   make conformance       what the engine relies on in libcurl, asked of the one that is here; of
#                          another with CURL_INCDIR and CURL_LIBDIR

.PHONY: chaos chaos-unlooked chaos-fallback kills oom fork threads conformance
.PHONY: asan asan-specs-5.4 asan-specs-jit valgrind

HEADERS = $(wildcard csrc/*.h csrc/core/*.[hd]* csrc/crypto/*.h csrc/http/*.h csrc/lua/*.h)

# Special builds of the module, each in one go: name, Lua version, flags.
define variant
build/$(1)-$(2)/telnyx/core.so: $(SOURCES) $(HEADERS) .ci/proof.mk
	@mkdir -p $$(@D)
	$$(say) "  CC  $$@"
	$$(quietly)$$(CC) $$(LIBFLAG) $$(TLX_CFLAGS) $$(CFLAGS) $(3) $$(TLX_LDFLAGS) $$(LDFLAGS) \
	  $$(call lua_include,$(2)) $$(headers) -o $$@ $(SOURCES) $$(libraries)
endef

SANITIZE = -g -O1 -fno-omit-frame-pointer -fsanitize=address,undefined \
  -fno-sanitize-recover=undefined

$(eval $(call variant,unlooked,5.4,-DTLX_WITHOUT_LOOK))
$(eval $(call variant,fallback,5.4,-DTLX_HOLD_SIGPIPE -DTLX_WITHOUT_EPOLL))
$(eval $(call variant,asan,5.4,$(SANITIZE)))
$(eval $(call variant,asan,5.1,$(SANITIZE)))
$(eval $(call variant,tsan,5.4,-g -O1 -fsanitize=thread))

# ---- chaos ------------------------------------------------------------------------------------

CHAOS = spec/chaos/run.lua

chaos: build chaos-fallback
	@CHAOS_NGINX=1 $(LUA54) $(CHAOS)
	@$(LUAJIT) $(CHAOS)

# What other systems get: no epoll, and before libcurl 7.87 a hand over SIGPIPE.
chaos-fallback: build/fallback-5.4/telnyx/core.so
	@echo "== without epoll, SIGPIPE held"
	@CHAOS_SENDS=$(or $(CHAOS_SENDS),2000) $(call paths,fallback-5.4) lua5.4 $(CHAOS)

chaos-unlooked: build/unlooked-5.4/telnyx/core.so
	@CHAOS_EXPECT=crimes CHAOS_SENDS=$(or $(CHAOS_SENDS),2000) \
	  $(call paths,unlooked-5.4) lua5.4 $(CHAOS)

# ---- processes are killed ---------------------------------------------------------------------

# For a recipe: a program that runs Luas of both kinds, which each find their own build.
both_paths = LUA_PATH="./?.lua;$(CURDIR)/lua/?.lua;$(CURDIR)/lua/?/init.lua;;" \
  LUA_CPATH_5_4="$(CURDIR)/build/5.4/?.so;;" LUA_CPATH="$(CURDIR)/build/5.1/?.so;;"

kills: build
	@$(both_paths) luajit spec/kills/run.lua

# ---- memory runs out --------------------------------------------------------------------------

# Its own allocations go through the program that starves it.
OOM = $(SANITIZE) -Wl,--wrap=malloc,--wrap=calloc,--wrap=realloc,--wrap=free
$(eval $(call variant,oom,5.4,$(OOM)))
$(eval $(call variant,oom,5.1,$(OOM)))

# A program of spec/c that embeds a Lua: name, Lua version, how to link it, flags.
SPEC_CFLAGS = -std=c99 -Ispec/c -Wall -Wextra -pedantic -Wshadow -Wstrict-prototypes \
  -Wmissing-prototypes $(if $(filter 1,$(WERROR)),-Werror)
define program
build/$(1): spec/c/$(2).c spec/c/canned.c spec/c/canned.h .ci/proof.mk
	@mkdir -p $$(@D)
	$$(say) "  CC  $$@"
	$$(quietly)$$(CC) $$(SPEC_CFLAGS) $$(CFLAGS) $(5) $$(call lua_include,$(3)) -rdynamic -o $$@ \
	  spec/c/$(2).c spec/c/canned.c $(4) $$(CURL_LIBS) -lm -lpthread
endef

LINK_54 = -llua5.4
LINK_JIT = -l:libluajit-5.1.so.2
LINK_51 = -llua5.1
$(eval $(call program,oom-5.4/oom,oom,5.4,$(LINK_54),$(SANITIZE)))
$(eval $(call program,oom-5.1/oom-jit,oom,5.1,$(LINK_JIT),$(SANITIZE)))
$(eval $(call program,oom-5.1/oom-puc,oom,5.1,$(LINK_51),$(SANITIZE)))

oom: build/oom-5.4/telnyx/core.so build/oom-5.1/telnyx/core.so \
  build/oom-5.4/oom build/oom-5.1/oom-jit build/oom-5.1/oom-puc
	@echo "== Lua 5.4" && $(call paths,oom-5.4) build/oom-5.4/oom
	@echo "== LuaJIT" && $(call paths,oom-5.1) build/oom-5.1/oom-jit
	@echo "== Lua 5.1" && $(call paths,oom-5.1) build/oom-5.1/oom-puc

# ---- hosts that fork or run threads -------------------------------------------------------------

build/5.4/fork build/5.1/fork-jit: spec/c/host.h
$(eval $(call program,5.4/fork,fork,5.4,$(LINK_54)))
$(eval $(call program,5.1/fork-jit,fork,5.1,$(LINK_JIT)))

fork: build build/5.4/fork build/5.1/fork-jit
	@$(call paths,5.4) build/5.4/fork
	@$(call paths,5.1) build/5.1/fork-jit

build/5.4/threads build/tsan-5.4/threads build/5.1/threads-jit: spec/c/host.h
$(eval $(call program,5.4/threads,threads,5.4,$(LINK_54)))
$(eval $(call program,5.1/threads-jit,threads,5.1,$(LINK_JIT)))
$(eval $(call program,tsan-5.4/threads,threads,5.4,$(LINK_54),-g -O1 -fsanitize=thread))

THREAD_SECONDS ?= 3

threads: build build/5.4/threads build/5.1/threads-jit build/tsan-5.4/telnyx/core.so \
  build/tsan-5.4/threads
	@$(call paths,5.4) build/5.4/threads $(THREAD_SECONDS)
	@$(call paths,5.1) build/5.1/threads-jit $(THREAD_SECONDS)
	@$(call paths,tsan-5.4) TSAN_OPTIONS=halt_on_error=1 build/tsan-5.4/threads $(THREAD_SECONDS)

# ---- libcurl itself -----------------------------------------------------------------------------

CONFORMANCE = $(wildcard spec/c/conformance*.[ch] spec/c/held.[ch] spec/c/peer.[ch])

# By the folder of its libcurl, so that none runs with another's program.
build/conformance$(subst /,-,$(CURL_LIBDIR)): $(CONFORMANCE)
	@mkdir -p $(@D)
	$(say) "  CC  $@"
	$(quietly)$(CC) $(SPEC_CFLAGS) $(CFLAGS) $(if $(CURL_INCDIR),-I$(CURL_INCDIR)) -o $@ \
	  $(filter %.c,$^) $(if $(CURL_LIBDIR),-L$(CURL_LIBDIR) -Xlinker -rpath -Xlinker $(CURL_LIBDIR)) \
	  $(CURL_LIBS) -lssl -lcrypto

conformance: build/conformance$(subst /,-,$(CURL_LIBDIR))
	@$<

# ---- sanitizers and valgrind --------------------------------------------------------------------

build/no_dlclose.so: spec/c/no_dlclose.c
	@mkdir -p $(@D)
	$(say) "  CC  $@"
	$(quietly)$(CC) $(SPEC_CFLAGS) $(CFLAGS) -fPIC -shared -o $@ $<

# For a recipe: runs a Lua with the sanitizers' libraries in front.
sanitized = LD_PRELOAD="$$($(CC) -print-file-name=libasan.so) $$($(CC) -print-file-name=libubsan.so) \
  $(CURDIR)/build/no_dlclose.so" UBSAN_OPTIONS=print_stacktrace=1 $(call paths,$(1))

ASAN_SENDS ?= 1500

# All but those in which the module works inside nginx, that preload something of their own, or that
# are about long runs on a clock of their own, over senders in Lua.
LONG_RUNS = $(addprefix spec/,$(addsuffix _spec.lua,learned turns trouble slowing demand csv \
  settle_chaos allowance))
SANITIZED_SPECS = $(filter-out $(LONG_RUNS),$(shell \
  grep -LE 'support\.(sandbox|nginx|cosockets|journals)|LD_PRELOAD' $(SPECS)))

asan: build build/asan-5.4/telnyx/core.so build/asan-5.1/telnyx/core.so build/no_dlclose.so
	@$(MAKE) --no-print-directory -k $(two_at_a_time) asan-specs-5.4 asan-specs-jit
	@CHAOS_SENDS=$(ASAN_SENDS) $(call sanitized,asan-5.4) lua5.4 $(CHAOS)
	@CHAOS_SENDS=$(ASAN_SENDS) $(call sanitized,asan-5.1) luajit $(CHAOS)

asan-specs-5.4:
	@echo "== Lua 5.4, specs" && $(call sanitized,asan-5.4) lua5.4 /usr/bin/busted $(SANITIZED_SPECS)

asan-specs-jit:
	@echo "== LuaJIT, specs" && $(call sanitized,asan-5.1) luajit /usr/bin/busted $(SANITIZED_SPECS)

# A part, at a tenth of the speed: with patience.
valgrind: build build/no_dlclose.so
	LD_PRELOAD=$(CURDIR)/build/no_dlclose.so $(LUA54_VALGRIND) /usr/bin/busted \
	  spec/client_spec.lua spec/validate_spec.lua
	LD_PRELOAD=$(CURDIR)/build/no_dlclose.so CHAOS_SENDS=300 CHAOS_TIMEOUT=3 $(LUA54_VALGRIND) $(CHAOS)

VALGRIND = valgrind --quiet --keep-debuginfo=yes --error-exitcode=9 --leak-check=full \
  --errors-for-leak-kinds=definite --child-silent-after-fork=yes
LUA54_VALGRIND = $(call paths,5.4) $(VALGRIND) lua5.4
