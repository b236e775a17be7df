# The sandbox as Telnyx's own SDK for Node finds it, and the compiler of that SDK's types; and what
# the docs say of tests in Node.

.PHONY: test-sdk test-sdk-now deps-sdk

# Elsewhere than in Debian, npm may come along with Node: programs are looked for, not packages.
deps-sdk: deps
	@command -v npm >/dev/null || sh .ci/deps.sh nodejs npm

SDK = build/sdk
SDK_SPECS ?= messages_spec.mjs webhooks_spec.mjs records_spec.mjs

test-sdk: build build/5.1/telnyx/core.so
	@if command -v npm >/dev/null; then $(MAKE) --no-print-directory test-sdk-now; \
	else echo "Left out: Telnyx's own SDK needs Node and npm (make deps-sdk)."; fi

# A spec finds its packages above itself, so it runs beside them. The replies that it keeps are
# held against the SDK's types in the end.
test-sdk-now: $(SDK)/installed
	@rm -rf $(SDK)/replies $(SDK)/*.mjs && cp spec/sdk/node/*.mjs $(SDK)
	@cd $(SDK) && export $(call paths,5.4) SANDBOX_LUA_CPATH='$(CURDIR)/build/5.1/?.so;;' \
	  PROJECT='$(CURDIR)' REPLIES='$(CURDIR)/$(SDK)/replies' && \
	  timeout 600 node --test-reporter=spec --test $(SDK_SPECS) && node types.mjs
	@$(LUA54) /usr/bin/busted --filter="with Node" spec/testing_docs_spec.lua

$(SDK)/installed: spec/sdk/node/package.json spec/sdk/node/package-lock.json
	@mkdir -p $(SDK) && cp $^ $(SDK)
	cd $(SDK) && npm ci --ignore-scripts --no-audit --no-fund
	@touch $@
