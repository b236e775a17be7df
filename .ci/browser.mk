# The phones page in a real browser.

.PHONY: test-browser deps-browser

PACKAGES_BROWSER = chromium chromium-driver curl

BROWSER_SPECS ?= spec/browser

deps-browser: deps
	@sh .ci/without_services.sh sh .ci/deps.sh $(PACKAGES_BROWSER)

test-browser: deps-browser
	@$(MAKE) --no-print-directory build build/5.1/telnyx/core.so
	@BROWSERS=required $(LUA54) /usr/bin/busted $(BROWSER_SPECS)
