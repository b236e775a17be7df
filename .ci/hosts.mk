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

test-all:
	@$(MAKE) --no-print-directory test LUAS="5.1 5.2 5.3 5.4 jit"
