# Random input for what reads input: the counting of segments, the replies of whoever answers, and
# the judging of messages.
#
#   make fuzz            all, FUZZ_SECONDS each
#   make fuzz-exchange   one of them: fuzz-segments, fuzz-exchange, fuzz-validate

.PHONY: fuzz fuzz-segments fuzz-exchange fuzz-validate

FUZZ_SECONDS ?= 20
FUZZ_CC ?= clang

build/fuzz/%: spec/c/fuzz_%.c spec/c/expect.h $(CORE_SOURCES) $(CORE_HEADERS)
	@mkdir -p $(@D)
	$(say) "  LD  $@"
	$(quietly)$(FUZZ_CC) $(TLX_CFLAGS) -O1 -g -fno-omit-frame-pointer -fno-sanitize-recover=all \
	  -fsanitize=fuzzer,address,undefined -o $@ $< $(CORE_SOURCES) -lm

fuzz: fuzz-segments fuzz-exchange fuzz-validate

# What it finds on the way stays in build/fuzz/corpus-*, so that the next run starts from there.
fuzz-segments fuzz-exchange fuzz-validate: fuzz-%: build/fuzz/%
	@mkdir -p build/fuzz/seeds-$* build/fuzz/corpus-$*
	@$(call paths,5.4) lua5.4 spec/c/fuzz_seeds_$*.lua build/fuzz/seeds-$*
	@echo "fuzzing $* for $(FUZZ_SECONDS) s"
	@build/fuzz/$* -max_total_time=$(FUZZ_SECONDS) -max_len=4096 -timeout=10 -verbosity=0 \
	  -print_final_stats=1 -artifact_prefix=build/fuzz/ build/fuzz/corpus-$* build/fuzz/seeds-$* \
	  >build/fuzz/$*.log 2>&1 || { tail -n 60 build/fuzz/$*.log; exit 1; }
	@grep '^stat::' build/fuzz/$*.log
