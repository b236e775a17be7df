# make check and its parts. Each can be run alone.

.PHONY: check lint format-check layers symbols hardening tidy luarocks deps-check

check: deps-check deps-hosts deps-sdk
	@$(MAKE) --no-print-directory WERROR=1 build
	@$(MAKE) --no-print-directory lint format-check layers symbols hardening tidy luarocks
	@$(MAKE) --no-print-directory test-portable fuzz
	@$(MAKE) --no-print-directory chaos chaos-unlooked kills oom fork threads conformance
	@$(MAKE) --no-print-directory asan
	@$(MAKE) --no-print-directory test-hosts test-sdk test-browser

lint:
	luacheck --quiet .
	@echo 'for i = 1, select("#", ...) do assert(loadfile((select(i, ...)))) end' | \
	  luajit - $(filter-out %/tables.lua,$(LUA_SOURCES))

format-check:
	clang-format --dry-run -Werror $(C_FILES)

layers:
	lua5.4 .ci/layers.lua

symbols: build
	sh .ci/symbols.sh $(BUILDS:%=build/%/telnyx/core.so)

hardening: build
	sh .ci/hardening.sh $(BUILDS:%=build/%/telnyx/core.so)

# Left out: parameters of one type side by side, feature-test macros, unread results of snprintf, and
# an analysis of va_list that clang 14 gets wrong.
TIDY_CHECKS = -*,bugprone-*,clang-analyzer-*,cert-*,-bugprone-easily-swappable-parameters,$\
  -bugprone-reserved-identifier,-cert-dcl37-c,-cert-dcl51-cpp,-cert-err33-c,$\
  -clang-analyzer-valist.Uninitialized

tidy:
	cppcheck --quiet --std=c99 --enable=warning,performance,portability --inline-suppr \
	  --error-exitcode=1 $(ROOMS) -I/usr/include/lua5.4 csrc
	clang-tidy --quiet --warnings-as-errors='*' \
	  -checks='$(TIDY_CHECKS)' \
	  $(SOURCES) -- -std=c99 $(ROOMS) -I/usr/include/lua5.4

luarocks: build
	sh .ci/luarocks.sh
