# fondant-operator: the build. `make help` lists the targets.
#
# One static library per folder; a program or unit test links only the libraries its folder may
# include (LIBS_<folder> below, held against the #includes by `make lint`).
#
#   SANITIZE=address,undefined   build under sanitizers, into build/asan
#   RELEASE=1                    optimised and hardened, warnings do not stop the build

SHELL := /bin/bash
VERSION := 0.1.0
ROOT := $(CURDIR)

# V=1 shows the commands
Q := $(if $(V),,@)
SAY := @printf '  %s %s\n'

ifeq ($(origin CC),default)
CC := gcc
endif
CLANG ?= clang
SANITIZE ?=
ifeq ($(SANITIZE),)
B := build
else
B := build/asan
endif

WARNINGS := -Wall -Wextra -Wshadow -Wstrict-prototypes -Wmissing-prototypes -Wvla -Wformat=2 -Wundef \
	-Wpointer-arith
PKGS := libcurl jansson yaml-0.1 libcrypto
CPPFLAGS += -Icontroller -I. -DFONDANT_VERSION='"$(VERSION)"' -D_GNU_SOURCE
CFLAGS_COMMON := -std=gnu17 -g -fno-strict-aliasing -fno-omit-frame-pointer -MMD -MP $(WARNINGS)
ifeq ($(RELEASE),1)
CFLAGS_BUILD := -O2 -D_FORTIFY_SOURCE=2 -fstack-protector-strong -fPIE -fstack-clash-protection
LDFLAGS_BUILD := -pie -Wl,-z,relro,-z,now -Wl,--as-needed
else
CFLAGS_BUILD := -O1 -Werror
LDFLAGS_BUILD := -Wl,--as-needed
endif
ifneq ($(SANITIZE),)
CFLAGS_BUILD += -fsanitize=$(SANITIZE) -fno-sanitize-recover=all
LDFLAGS_BUILD += -fsanitize=$(SANITIZE)
endif
CFLAGS_ALL = $(CFLAGS_COMMON) $(CFLAGS_BUILD) $(CFLAGS)
LDLIBS := -lcurl -ljansson -lyaml -lcrypto -lm

# Folder -> library; the order is the link order, dependants first.
FOLDERS := app cli merge reconcile runners kube net loop compiler doc base
DIR_runners := runners
$(foreach f,app cli merge reconcile kube net loop compiler doc base,$(eval DIR_$(f) := controller/$(f)))
$(foreach f,$(FOLDERS),$(eval SRC_$(f) := $(wildcard $(DIR_$(f))/*.c)))
$(foreach f,app cli merge,$(eval SRC_$(f) := $(filter-out controller/$(f)/main.c,$(SRC_$(f)))))
$(foreach f,$(FOLDERS),$(eval OBJ_$(f) := $(SRC_$(f):%.c=$(B)/obj/%.o)))
lib = $(foreach f,$(1),$(if $(SRC_$(f)),$(B)/lib/lib$(f).a))

LIBS_base := base
LIBS_doc := doc base
LIBS_loop := loop base
LIBS_net := net loop base
LIBS_kube := kube net loop doc base
LIBS_compiler := compiler doc base
LIBS_runners := runners kube net loop compiler doc base
LIBS_dag := $(LIBS_runners)
LIBS_reconcile := reconcile runners kube net loop compiler doc base
LIBS_app := app $(LIBS_reconcile)
LIBS_cli := cli $(LIBS_reconcile)
LIBS_merge := merge net loop doc base
LIBS_tool := $(LIBS_cli)

SRC_fake := $(wildcard tests/fake/*.c)
OBJ_fake := $(SRC_fake:%.c=$(B)/obj/%.o)
FAKE_FOR := net kube reconcile runners merge cli

UNIT_SRC := $(wildcard tests/unit/test_*.c)
UNIT := $(UNIT_SRC:tests/unit/%.c=$(B)/tests/unit/%)
TOOL_SRC := $(wildcard tests/unit/tool_*.c)
TOOLS := $(TOOL_SRC:tests/unit/%.c=$(B)/tests/unit/%)
FUZZ_SRC := $(wildcard tests/fuzz/fuzz_*.c)
FUZZ := $(FUZZ_SRC:tests/fuzz/%.c=build/fuzz/%)
PROGRAMS := $(B)/fondant-controller $(if $(wildcard controller/cli/main.c),$(B)/kubectl-fondant) \
	$(if $(wildcard controller/merge/main.c),$(B)/fondant-merge)

.PHONY: all programs help deps check test test-full lint fmt asan unit-asan demo demo-down bench clean install fuzz unit unit-programs
.DEFAULT_GOAL := all

all: programs man ## build the programs and their man pages
programs: $(PROGRAMS)

help: ## this list
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed 's/:.*## /\t/' | expand -t 12

deps: ## install what building and unit tests need (Debian packages)
	@tests/deps build

$(B)/obj/%.o: %.c
	@mkdir -p $(@D)
	$(SAY) CC $<
	$(Q)$(CC) $(CPPFLAGS) $(CFLAGS_ALL) -c $< -o $@

define library
$(B)/lib/lib$(1).a: $(OBJ_$(1))
	@mkdir -p $$(@D)
	@rm -f $$@
	$(SAY) AR $$@
	$(Q)ar rcs $$@ $$^
endef
$(foreach f,$(FOLDERS),$(eval $(call library,$(f))))

# The catalogue as rows of C string literals.
CATALOG := $(sort $(wildcard catalog/*/*.yaml))
$(B)/gen/compiler/catalog.inc: $(CATALOG) $(sort $(wildcard catalog/*))
	@mkdir -p $(@D)
	$(Q)for file in $(CATALOG); do \
		echo "$$file" | sed 's|^catalog/\(.*\)/\(.*\)\.yaml$$|{"\1", "\2",|'; \
		sed 's/\\/\\\\/g; s/"/\\"/g; s/^/"/; s/$$/\\n"/' "$$file"; \
		echo '},'; \
	done > $@.new && mv $@.new $@
$(B)/obj/controller/compiler/catalog.o: $(B)/gen/compiler/catalog.inc
$(B)/obj/controller/compiler/catalog.o: CPPFLAGS += -I$(B)/gen

$(B)/lib/libfake.a: $(OBJ_fake)
	@mkdir -p $(@D)
	@rm -f $@
	$(SAY) AR $@
	$(Q)ar rcs $@ $^

$(B)/fondant-controller: $(B)/obj/controller/app/main.o $(call lib,$(LIBS_app))
	$(SAY) LD $@
	$(Q)$(CC) $(LDFLAGS_BUILD) $(LDFLAGS) -o $@ $^ $(LDLIBS)

$(B)/kubectl-fondant: $(B)/obj/controller/cli/main.o $(call lib,$(LIBS_cli))
	$(SAY) LD $@
	$(Q)$(CC) $(LDFLAGS_BUILD) $(LDFLAGS) -o $@ $^ $(LDLIBS)

$(B)/fondant-merge: $(B)/obj/controller/merge/main.o $(call lib,$(LIBS_merge))
	$(SAY) LD $@
	$(Q)$(CC) $(LDFLAGS_BUILD) $(LDFLAGS) -o $@ $^ $(LDLIBS)

# Man pages and completion scripts, made by the program of its own option table.
.PHONY: man
man: $(B)/man/kubectl-fondant.1
$(B)/man/kubectl-fondant.1: $(B)/kubectl-fondant
	@mkdir -p $(B)/man $(B)/completion
	$(SAY) MAN $(B)/man
	$(Q)rm -f $(B)/man/*.1; set -e; for shell in bash zsh fish; do \
		$< completion $$shell > $(B)/completion/$$shell; done; $< man $(B)/man

# tests/unit/test_<folder>_<subject>.c links what <folder> may include.
folder_of = $(word 2,$(subst _, ,$(notdir $(1))))
define unit_test
$(B)/tests/unit/$(1): $(B)/obj/tests/unit/$(1).o \
		$(if $(filter $(2),$(FAKE_FOR)),$(B)/lib/libfake.a $(call lib,$(LIBS_kube))) $(call lib,$(LIBS_$(2)))
	@mkdir -p $$(@D)
	$(SAY) LD $$@
	$(Q)$(CC) $(LDFLAGS_BUILD) $(LDFLAGS) -o $$@ -Wl,--start-group $$^ -Wl,--end-group -lcmocka $(LDLIBS)
endef
$(foreach t,$(UNIT_SRC:tests/unit/%.c=%) $(TOOL_SRC:tests/unit/%.c=%),$(eval $(call unit_test,$(t),$(if $(filter tool_%,$(t)),tool,$(call folder_of,$(t))))))

# what bench/run measures is built with them, so that it cannot rot
BENCH := $(addprefix $(B)/bench/,compile native kubeflow)
unit-programs: $(UNIT) $(TOOLS) $(BENCH)
unit: unit-programs
	@tests/run unit

build/fuzz/%: tests/fuzz/%.c
	@$(MAKE) --no-print-directory -j2 CC=$(CLANG) B=build/fuzzobj CFLAGS='-fsanitize=fuzzer-no-link,address,undefined -fno-sanitize-recover=all -Wno-unknown-warning-option' build/fuzzobj/libs
	@mkdir -p $(@D)
	$(SAY) LD $@
	$(Q)$(CLANG) $(CPPFLAGS) -std=gnu17 -g -O1 -fsanitize=fuzzer,address,undefined -fno-sanitize-recover=all -o $@ $< \
		-Wl,--start-group build/fuzzobj/lib/*.a -Wl,--end-group $(LDLIBS)
build/fuzzobj/libs: $(call lib,$(LIBS_runners) cli)
fuzz: ## run each fuzz target for FUZZ_SECONDS (20)
	@tests/run fuzz

asan: ## build and run the unit tests under ASan and UBSan
	@$(MAKE) --no-print-directory SANITIZE=address,undefined unit-asan
unit-asan: unit-programs
	@tests/run unit --build $(B)

lint: ## include table, formatting, banned functions, cppcheck
	@tests/lint

fmt: ## format the C sources
	clang-format -i $(shell git ls-files '*.c' '*.h')

check: all ## build, lint, unit tests: for daily work
	@$(MAKE) --no-print-directory lint
	@$(MAKE) --no-print-directory unit

test: ## everything: check, sanitizers, fuzzing, integration, a real cluster
	@tests/run all

test-full: ## what builds or runs for long (PART=compose|moby|kfp-local|sagemaker-local|podman)
	@tests/run full $(PART)

demo: ## a real pipeline on a real cluster, to its result
	@tests/demo/run
demo-down: ## remove the demo's cluster and data
	@tests/localcluster/cluster down demo
	rm -rf .cache/demo

bench: ## figures, as ratios
	@bench/run

PREFIX ?= /usr/local
install: programs man ## install into $(DESTDIR)$(PREFIX)
	install -D -m 755 $(B)/fondant-controller $(DESTDIR)$(PREFIX)/bin/fondant-controller
	install -D -m 755 $(B)/kubectl-fondant $(DESTDIR)$(PREFIX)/bin/kubectl-fondant
	install -m 755 controller/cli/kubectl_complete-fondant $(DESTDIR)$(PREFIX)/bin/
	install -d $(DESTDIR)$(PREFIX)/share/man/man1
	install -m 644 $(B)/man/*.1 $(DESTDIR)$(PREFIX)/share/man/man1/
	install -D -m 644 $(B)/completion/bash \
		$(DESTDIR)$(PREFIX)/share/bash-completion/completions/kubectl-fondant
	install -D -m 644 $(B)/completion/zsh \
		$(DESTDIR)$(PREFIX)/share/zsh/site-functions/_kubectl-fondant
	install -D -m 644 $(B)/completion/fish \
		$(DESTDIR)$(PREFIX)/share/fish/vendor_completions.d/kubectl-fondant.fish

clean: ## remove build/ (.cache/ stays)
	rm -rf build

-include $(shell find $(B)/obj build/fuzzobj -name '*.d' 2>/dev/null)

# --- bench: what bench/run measures, as released; into build/release ---
.PHONY: bench-programs
bench-programs:
	@$(MAKE) --no-print-directory RELEASE=1 B=build/release build/release/fondant-controller \
		build/release/bench/compile build/release/bench/native build/release/bench/kubeflow \
		$(if $(wildcard controller/cli/main.c),build/release/kubectl-fondant)
$(B)/bench/compile: $(B)/obj/bench/compile.o $(call lib,$(LIBS_compiler))
	@mkdir -p $(@D)
	$(SAY) LD $@
	$(Q)$(CC) $(LDFLAGS_BUILD) $(LDFLAGS) -o $@ $^ $(LDLIBS)
$(B)/bench/native: $(B)/obj/bench/native.o $(call lib,$(LIBS_runners))
	@mkdir -p $(@D)
	$(SAY) LD $@
	$(Q)$(CC) $(LDFLAGS_BUILD) $(LDFLAGS) -o $@ $^ $(LDLIBS)
$(B)/bench/kubeflow: $(B)/obj/bench/kubeflow.o $(B)/lib/libfake.a $(call lib,$(LIBS_cli))
	@mkdir -p $(@D)
	$(SAY) LD $@
	$(Q)$(CC) $(LDFLAGS_BUILD) $(LDFLAGS) -o $@ -Wl,--start-group $^ -Wl,--end-group $(LDLIBS)
# --- end of bench ---
