# telnyx for Lua.
#
#   make demo       send three messages to the sandbox and look at the answers
#   make test       build for Lua 5.4 and for LuaJIT, and run every spec on both
#   make check      what reviewers cannot see: linters, layers, symbols, sanitizers
#   make sandbox    the service's stand-in on 127.0.0.1, for any HTTP client (PORT=12111, OPEN=1)
#   make install    for one Lua: make install LUA=5.4 PREFIX=/usr/local
#
# LUA=5.1, 5.2, 5.3, 5.4 or jit builds and tests for that one alone; make test-all for each.
# SPECS=spec/client_spec.lua tests with that file alone.
#
# The first three install what they miss, with apt and as root; otherwise they say what to install.

# Of the command line alone, and not handed on to programs: elsewhere, LUA is an interpreter's path.
ONE_LUA := $(if $(filter command,$(origin LUA)),$(LUA))
ifneq ($(ONE_LUA),)
unexport LUA
endif
ifneq ($(filter-out 5.1 5.2 5.3 5.4 jit,$(ONE_LUA)),)
$(error LUA is 5.1, 5.2, 5.3, 5.4 or jit, not $(ONE_LUA))
endif

# Whose C API: LuaJIT's is that of 5.1. LuaRocks, and whoever keeps lua.h elsewhere, name its folder
# instead, and it says which Lua it is for.
version_of = $(patsubst jit,5.1,$(1))
LUA_INCDIR ?=
ifeq ($(LUA_INCDIR),)
LUA_VERSION := $(call version_of,$(or $(ONE_LUA),5.4))
else
LUA_VERSION := $(shell awk '/define LUA_VERSION_NUM/ { printf "%d.%d", $$3 / 100, $$3 % 100 }' \
  "$(LUA_INCDIR)/lua.h")
endif
ifeq ($(filter 5.1 5.2 5.3 5.4,$(LUA_VERSION)),)
$(error the lua.h of LUA_INCDIR is for Lua $(LUA_VERSION); 5.1 to 5.4 will do)
endif
PREFIX ?= /usr/local
PORT ?= 12111
CC ?= cc
WERROR ?= 0

LUAS = $(or $(ONE_LUA),5.4 jit)
# That of LuaJIT serves nginx too.
BUILDS = $(call version_of,$(LUAS))

ROOMS = -Icsrc/core -Icsrc/crypto -Icsrc/http

# Kept apart from CFLAGS and LDFLAGS, which are the user's.
TLX_CFLAGS = -std=c99 -fPIC -fvisibility=hidden -fstack-protector-strong \
  -include csrc/tlx_fortify.h $(ROOMS) -Wall -Wextra -pedantic \
  -Wshadow -Wstrict-prototypes -Wmissing-prototypes -Wwrite-strings -Wcast-qual -Wundef \
  -Wsign-compare -Wpointer-arith -Wvla -Wformat=2 $(if $(filter 1,$(WERROR)),-Werror)
CFLAGS ?= -O2 -g
CURL_LIBS ?= -lcurl
CRYPTO_LIBS ?= -lcrypto

# make V=1 shows the commands.
say = @$(if $(V),true,echo)
quietly = $(if $(V),,@)

ifeq ($(shell uname -s),Darwin)
LIBFLAG ?= -bundle -undefined dynamic_lookup
else
LIBFLAG ?= -shared
# libcurl and its TLS may leave threads and destructors behind: the code must outlive lua_close.
TLX_LDFLAGS = -Wl,-z,nodelete -Wl,-z,relro -Wl,-z,now
endif

SOURCES = $(sort $(wildcard csrc/core/*.c csrc/crypto/*.c csrc/http/*.c csrc/lua/*.c))
LUA_SOURCES = $(sort $(shell find lua examples spec csrc -name '*.lua'))
C_FILES = $(filter-out %_table.c %_table.h,$(sort $(shell find csrc spec -name '*.[ch]')))

.PHONY: all build deps deps-journal test check demo sandbox env module install clean
all: build

# ---- building -------------------------------------------------------------------------------

# Where the others' headers and libraries are, when that is not where the compiler looks.
headers = $(if $(CURL_INCDIR),-I$(CURL_INCDIR)) $(if $(CRYPTO_INCDIR),-I$(CRYPTO_INCDIR))
libraries = $(if $(CURL_LIBDIR),-L$(CURL_LIBDIR)) $(CURL_LIBS) \
  $(if $(CRYPTO_LIBDIR),-L$(CRYPTO_LIBDIR)) $(CRYPTO_LIBS) -lm -ldl -lpthread
lua_include = $(if $(LUA_INCDIR),-I$(LUA_INCDIR),-I/usr/include/lua$(1) -I/usr/local/include/lua$(1))

define module
build/$(1)/%.o: %.c
	@mkdir -p $$(@D)
	$$(say) "  CC  $$@"
	$$(quietly)$$(CC) $$(TLX_CFLAGS) $$(CFLAGS) $$(call lua_include,$(1)) $$(headers) -MMD -MP -c $$< -o $$@

build/$(1)/telnyx/core.so: $(SOURCES:%.c=build/$(1)/%.o)
	@mkdir -p $$(@D)
	$$(say) "  LD  $$@"
	$$(quietly)$$(CC) $$(LIBFLAG) $$(TLX_LDFLAGS) $$(LDFLAGS) -o $$@ $$^ $$(libraries)

-include $(SOURCES:%.c=build/$(1)/%.d)
endef
$(foreach version,5.1 5.2 5.3 5.4,$(eval $(call module,$(version))))

build: $(BUILDS:%=build/%/telnyx/core.so)

# The table of docs/validation.md.
.PHONY: rules
rules: build/5.4/telnyx/core.so
	@$(LUA54) .ci/rules.lua docs/validation.md

csrc/core/tlx_%_table.c: csrc/core/tables.lua csrc/core/smart.tsv
	lua5.4 csrc/core/tables.lua csrc/core

# ---- what is needed ---------------------------------------------------------------------------

# The module itself; the specs and the sandbox; those of journals; the deeper checks.
PACKAGES_BUILD = gcc libc6-dev lua5.4 liblua5.4-dev liblua5.1-0-dev libcurl4-openssl-dev libssl-dev lua-cjson
PACKAGES_TEST = luajit2 lua-busted lua-socket lua-sec lua-luv lua-cqueues openssl ca-certificates nginx libnginx-mod-http-lua curl python3
PACKAGES_JOURNAL = lua-dbi-sqlite3 libpq5 sqlite3 strace
PACKAGES_CHECK = lua-check lua5.1 clang-format clang-tidy cppcheck valgrind strace \
  luarocks clang libclang-rt-14-dev

deps:
	@sh .ci/deps.sh $(PACKAGES_BUILD) $(PACKAGES_TEST)

# What journals are tried with.
deps-journal:
	@sh .ci/deps.sh $(PACKAGES_JOURNAL)
	@sh .ci/postgresql.sh

deps-check: deps-journal
	@sh .ci/deps.sh $(PACKAGES_BUILD) $(PACKAGES_TEST) $(PACKAGES_CHECK)

# ---- running ----------------------------------------------------------------------------------

# For a recipe: the checkout's own modules in front, whatever else is installed.
paths = LUA_PATH="./?.lua;$(CURDIR)/lua/?.lua;$(CURDIR)/lua/?/init.lua;;" LUA_CPATH="$(CURDIR)/build/$(1)/?.so;;"
LUA54 = $(call paths,5.4) lua5.4
LUAJIT = $(call paths,5.1) luajit

# The hosts' own specs need their programs: make test-hosts.
SPECS ?= $(sort $(wildcard spec/*_spec.lua))

# Specs wait more than they work: two Luas at a time, each told of when it is done.
comma = ,
two_at_a_time = -Otarget $(if $(findstring jobserver,$(MAKEFLAGS)),,-j2)

# The sandbox runs in nginx, and needs what nginx loads.
test: deps deps-journal $(if $(filter 5.1 5.2 5.3,$(LUAS)),deps-all)
	@$(MAKE) --no-print-directory build build/5.1/telnyx/core.so
	@echo "== the specs on $(LUAS:jit=LuaJIT)$(if $(word 2,$(LUAS)),$(comma) two at a time): some 15 minutes"
	@$(MAKE) --no-print-directory -k $(if $(word 2,$(LUAS)),$(two_at_a_time)) $(LUAS:%=specs-%)

specs-jit:
	@echo "== LuaJIT" && $(LUAJIT) /usr/bin/busted $(SPECS)

specs-%:
	@echo "== Lua $*" && $(call paths,$*) lua$* /usr/bin/busted $(SPECS)

demo: deps
	@$(MAKE) --no-print-directory build
	@$(LUA54) examples/demo.lua

# A make that is told to end takes away what it was making, and waits for the recipe, which it tells
# of TERM only. So it makes a file, the recipe's process id, and the recipe ends without it.
ifneq ($(filter sandbox,$(MAKECMDGOALS)),)
RUNNING := build/sandbox.$(shell echo $$PPID)
sandbox: $(RUNNING)

$(RUNNING): deps
	@$(MAKE) --no-print-directory -s build build/5.1/telnyx/core.so
	@echo $$$$ >$@; SANDBOX_LUA_CPATH='$(CURDIR)/build/5.1/?.so;;' \
	  exec sh lua/telnyx/sandbox/serve.sh --port "$(PORT)" --while $@ $(if $(OPEN),--open)
endif

# eval "$(make -s env)"
env:
	@$(MAKE) --no-print-directory build >&2
	@printf 'export %s="%s"\n' LUA_PATH '$(CURDIR)/lua/?.lua;$(CURDIR)/lua/?/init.lua;;' \
	  LUA_CPATH_5_4 '$(CURDIR)/build/5.4/?.so;;' LUA_CPATH '$(CURDIR)/build/5.1/?.so;;'

clean:
	rm -rf build

# ---- installing -------------------------------------------------------------------------------

INST_LIBDIR ?= $(PREFIX)/lib/lua/$(LUA_VERSION)
INST_LUADIR ?= $(PREFIX)/share/lua/$(LUA_VERSION)

module: build/$(LUA_VERSION)/telnyx/core.so

# A file that an older version left behind would be found before a folder of the same name.
install: module
	rm -rf "$(DESTDIR)$(INST_LUADIR)/telnyx"
	install -d "$(DESTDIR)$(INST_LIBDIR)/telnyx" "$(DESTDIR)$(INST_LUADIR)"
	install -m 755 build/$(LUA_VERSION)/telnyx/core.so "$(DESTDIR)$(INST_LIBDIR)/telnyx/core.so"
	cp -R lua/telnyx "$(DESTDIR)$(INST_LUADIR)/"

# ---- checking ---------------------------------------------------------------------------------

include .ci/check.mk
include .ci/segments.mk
include .ci/fuzz.mk
include .ci/proof.mk
include .ci/hosts.mk
include .ci/bench.mk
include .ci/sdk.mk
include .ci/browser.mk
