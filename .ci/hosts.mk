# The module inside other people's programs, and on every Lua.

.PHONY: test-hosts deps-hosts test-all deps-all

PACKAGES_HOSTS = nginx libnginx-mod-http-lua love haproxy prosody kamailio kamailio-lua-modules \
  curl lua5.3 liblua5.3-dev
PACKAGES_ALL = lua5.1 lua5.2 lua5.3 liblua5.2-dev liblua5.3-dev

HOST_SPECS ?= spec/hosts

deps-hosts: deps
	@sh .ci/without_services.sh sh .ci/deps.sh $(PACKAGES_HOSTS)

# make test-hosts SAY=1 prints what each host did meanwhile.
test-hosts: deps-hosts
	@$(MAKE) --no-print-directory build build/5.3/telnyx/core.so
	@HOSTS=required $(LUA54) /usr/bin/busted $(HOST_SPECS)

deps-all: deps
	@sh .ci/deps.sh $(PACKAGES_ALL)

test-all: deps-all
	@$(MAKE) --no-print-directory $(patsubst %,build/%/telnyx/core.so,5.1 5.2 5.3 5.4)
	@echo "== Lua 5.1" && $(call paths,5.1) lua5.1 /usr/bin/busted $(SPECS)
	@echo "== Lua 5.2" && $(call paths,5.2) lua5.2 /usr/bin/busted $(SPECS)
	@echo "== Lua 5.3" && $(call paths,5.3) lua5.3 /usr/bin/busted $(SPECS)
	@echo "== Lua 5.4" && $(LUA54) /usr/bin/busted $(SPECS)
	@echo "== LuaJIT" && $(LUAJIT) /usr/bin/busted $(SPECS)
