# The sandbox as Telnyx's own SDK for Node finds it.

.PHONY: test-sdk deps-sdk

# Others than Debian bring npm along with Node, so programs are looked for, not packages.
deps-sdk: deps
	@command -v npm >/dev/null || sh .ci/without_services.sh sh .ci/deps.sh nodejs npm

# What npm installs is in build/, and so are the specs, which find it beside them. Then the replies
# that they have kept are held against the SDK's types.
SDK = build/sdk
SDK_SPECS ?= messages_spec.mjs webhooks_spec.mjs records_spec.mjs

test-sdk: build build/5.1/telnyx/core.so
	@if command -v npm >/dev/null; then $(MAKE) --no-print-directory test-sdk-now; \
	else echo "The specs by Telnyx's SDK are left out: they need Node and npm."; fi

.PHONY: test-sdk-now
test-sdk-now: $(SDK)/node_modules/.package-lock.json
	@rm -rf $(SDK)/replies $(SDK)/*.mjs && cp spec/sdk/node/*.mjs $(SDK)
	@cd $(SDK) && export $(call paths,5.4) SANDBOX_LUA_CPATH='$(CURDIR)/build/5.1/?.so;;' \
	  PROJECT='$(CURDIR)' REPLIES='$(CURDIR)/$(SDK)/replies' && \
	  node --test-reporter=spec --test $(SDK_SPECS) && node types.mjs

$(SDK)/node_modules/.package-lock.json: spec/sdk/node/package.json spec/sdk/node/package-lock.json
	@mkdir -p $(SDK) && cp $^ $(SDK)
	cd $(SDK) && npm ci --ignore-scripts --no-audit --no-fund
	@touch $@
