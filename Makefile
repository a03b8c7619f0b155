# oauth2-fcgi - an OAuth 2.0 token endpoint for the web server you have
#
#   make deps run      install what is missing, build, serve on 127.0.0.1:8080
#   make deps test     install what the tests need too, build, run all tests
#
#   make               build/oauth2.fcgi and build/oauth2-admin
#   make unit          the unit tests alone; make valgrind: these and the cases under valgrind
#   make vectors     VECTORS=DIR: verify all of Project Wycheproof's JSON web signatures and keys
#   make fuzz FUZZ_S=60    each fuzz target (tests/fuzz) for so many seconds, or FUZZ='form jws' alone;
#                      make fuzz-merge: keep the inputs of these runs that reach more
#   make test-faults   25 faults, what is expected of each, and what was seen: a table, in minutes
#   make bad-inputs    thousands of bad requests through six fronts, each with its right answer; VECTORS=DIR: more
#   make canaries      marks in every secret, key and token: where they are found, which is nowhere
#   make timing        does the time of a refusal tell who is a client, or how much of a secret is right?
#   make torture       let each call fail in turn, in whole programs; SCENARIO='token, Basic': these alone
#   make coverage      what of lib/ the unit tests run (at least 95 % of the lines, 90 % of the branches)
#   make lint          style, layers, manuals, static analysis
#   make hardening     what makes a fault harder to use: linker, compiler, rights, system calls
#   make soak SOAK_S=1800  mixed load on all web servers, a fifth of it hostile, for so many seconds
#   make races         one acceptance each, nothing lost, nobody starved: processes, kills, restarts
#   make bench         tokens a second and what each costs; make bench-peers: beside other servers
#   make install       DESTDIR= PREFIX=/usr/local SYSCONFDIR=/etc DOCDIR=; make uninstall. Without root:
#                      PREFIX=$HOME/oauth2-fcgi, its configuration is then below PREFIX/etc
#   make deb           a Debian package: build/oauth2-fcgi_VERSION_ARCH.deb
#   make deb-test HERE=1   as root: install this package on this machine, use, upgrade and purge it
#   make dist          a source archive of the last commit
#   make clean         remove build/
#
# deps installs by apt-get what the goals beside it need; it starts no service.
# Variables: CC CFLAGS CPPFLAGS LDFLAGS PORT=8080 WERROR=1 SAN=1 COV=1 V=1 B=build SHORT=1 (bench)
# STATIC_CRYPTO=1: with OpenSSL's libcrypto.a in the programs, for CGI; to be built anew with
# each security update of OpenSSL.

VERSION    := 0.1.0
PREFIX     ?= $(or $(prefix),/usr/local)
SYSCONFDIR ?= $(or $(sysconfdir),$(if $(filter /usr /usr/local,$(PREFIX)),/etc,$(PREFIX)/etc))
DOCDIR     ?= $(or $(docdir),$(PREFIX)/share/doc/oauth2-fcgi)
PKG_CONFIG ?= pkg-config
PKGS       := libcrypto jansson yaml-0.1 lmdb hiredis
# What oauth2.fcgi and what oauth2-admin alone are linked with.
FCGI_PKGS  := libseccomp
ADMIN_PKGS := libcurl
CFLAGS     ?= -O2 -g
PORT       ?= 8080
# How long each of which fuzz targets runs, and what finds their inputs.
FUZZ_S     ?= 60
FUZZ       ?= $(FUZZERS)
FUZZ_ENGINE ?= -fsanitize=fuzzer
# How long the soak lasts.
SOAK_S     ?= 1800
# Of the calls only each so manieth fails.
TORTURE_STEP ?= 1
# What of the end-to-end tests is run.
E2E        ?= tests/e2e
PYTHON     := PYTHONDONTWRITEBYTECODE=1 /usr/bin/python3

B          := build$(if $(SAN),/san)$(if $(COV),/cov)
WARN       := -Wall -Wextra -Wpedantic -Wshadow -Wconversion -Wsign-conversion -Wstrict-prototypes \
              -Wmissing-prototypes -Wcast-qual -Wwrite-strings -Wformat=2 -Wundef -Wvla -Wswitch-enum \
              -Wnull-dereference -Wframe-larger-than=16384 $(if $(WERROR),-Werror)
INSTR      := -D_FORTIFY_SOURCE=3
ifdef SAN
INSTR      := -fsanitize=address,undefined -fno-sanitize-recover=all
endif
ifdef FUZZING
INSTR      := -fsanitize=fuzzer-no-link,address,undefined -fno-sanitize-recover=all
endif
ifdef COV
INSTR      := --coverage -O0
endif

# pkg-config is asked once, and only when something is compiled: `make deps all` may install it.
PKG_CFLAGS  = $(eval PKG_CFLAGS := $(shell $(PKG_CONFIG) --cflags $(PKGS) $(FCGI_PKGS) $(ADMIN_PKGS)))$(PKG_CFLAGS)
PKG_LIBS    = $(eval PKG_LIBS := $(shell $(PKG_CONFIG) --libs $(PKGS)))$(PKG_LIBS)
FCGI_LIBS   = $(eval FCGI_LIBS := $(shell $(PKG_CONFIG) --libs $(FCGI_PKGS)))$(FCGI_LIBS)
ADMIN_LIBS  = $(eval ADMIN_LIBS := $(shell $(PKG_CONFIG) --libs $(ADMIN_PKGS)))$(ADMIN_LIBS)
BASE_CFLAGS = -std=c17 -D_GNU_SOURCE -DVERSION='"$(VERSION)"' -DSYSCONFDIR='"$(SYSCONFDIR)"' -Ilib
# Hidden symbols: a function of ours must not replace one that a library calls by the same name.
ALL_CFLAGS  = $(BASE_CFLAGS) -MMD -MP -fPIE -fvisibility=hidden -fstack-protector-strong \
              -fstack-clash-protection $(WARN) $(PKG_CFLAGS) $(CFLAGS) $(CPPFLAGS) $(INSTR)
ALL_LDFLAGS = -pie -Wl,-z,relro,-z,now $(INSTR) $(LDFLAGS)
# libcrypto alone from its archive, with what that needs; all else stays shared.
STATIC_LIBS = $(eval STATIC_LIBS := -l:libcrypto.a $(filter-out -lcrypto,$(shell \
              $(PKG_CONFIG) --static --libs-only-l libcrypto)))$(STATIC_LIBS)
LIBS        = $(if $(STATIC_CRYPTO),$(patsubst -lcrypto,$(STATIC_LIBS),$(PKG_LIBS)),$(PKG_LIBS)) -lcrypt

objs        = $(patsubst %.c,$(B)/obj/%.o,$(wildcard $(1)))
LIB        := $(B)/libtoken.a
LIB_OBJS   := $(call objs,lib/*/*.c)
FCGI_OBJS  := $(call objs,fcgi/*.c)
TEXTS      := $(wildcard fcgi/admin/verifier/*)
ADMIN_OBJS := $(call objs,fcgi/admin/*.c) $(B)/obj/texts.o
TESTS      := $(patsubst tests/unit/%.c,$(B)/tests/%,$(wildcard tests/unit/test_*.c))
FUZZERS    := $(patsubst tests/fuzz/%.c,%,$(filter-out %/replay.c,$(wildcard tests/fuzz/*.c)))
REPLAYS    := $(FUZZERS:%=$(B)/tests/fuzz_%)
SOURCES    := $(wildcard lib/*/*.c fcgi/*.c fcgi/admin/*.c) $(TEXTS)
Q          := $(if $(V),,@)
quote       = '$(subst ','\'',$(1))'
remember    = printf '%s\n' $(call quote,$(1)) | cmp -s - $@ || printf '%s\n' $(call quote,$(1)) >$@

# Goals that all others wait for, also with -j; and the groups of packages that deps is for.
FIRST      := $(filter deps clean,$(MAKECMDGOALS))
NEEDS      := build run \
              $(if $(filter test test-faults unit vectors coverage valgrind deb-test,$(MAKECMDGOALS)),test) \
              $(if $(filter torture soak races bad-inputs hardening canaries timing,$(MAKECMDGOALS)),test) \
              $(if $(filter deb deb-test,$(MAKECMDGOALS)),deb) \
              $(if $(filter bench bench-peers,$(MAKECMDGOALS)),bench) \
              $(if $(filter fuzz fuzz-merge,$(MAKECMDGOALS)),fuzz) \
              $(filter valgrind lint bench-peers,$(MAKECMDGOALS))

.PHONY: all deps run test test-faults unit vectors bad-inputs valgrind coverage lint hardening fuzz fuzz-merge fuzzers bench bench-peers soak races canaries timing torture torture-short install uninstall deb deb-test \
        dist clean help FORCE
.DELETE_ON_ERROR:

all: $(B)/oauth2.fcgi $(B)/oauth2-admin

$(B)/oauth2.fcgi: $(FCGI_OBJS) $(LIB) $(B)/flags $(B)/sources
	$(Q)$(CC) $(ALL_LDFLAGS) -o $@ $(FCGI_OBJS) $(LIB) $(LIBS) $(FCGI_LIBS)
	@echo $@

$(B)/oauth2-admin: $(ADMIN_OBJS) $(LIB) $(B)/flags $(B)/sources
	$(Q)$(CC) $(ALL_LDFLAGS) -o $@ $(ADMIN_OBJS) $(LIB) $(LIBS) $(ADMIN_LIBS)
	@echo $@

$(LIB): $(LIB_OBJS) $(B)/sources
	$(Q)rm -f $@ && $(AR) rcs $@ $(LIB_OBJS)

$(B)/obj/%.o: %.c $(B)/flags | $(FIRST)
	@mkdir -p $(@D)
	$(Q)$(CC) $(ALL_CFLAGS) -c -o $@ $<

$(B)/texts.c: $(TEXTS) etc/make/texts.sh $(B)/sources
	$(Q)sh etc/make/texts.sh $(TEXTS) >$@

$(B)/obj/texts.o: $(B)/texts.c $(B)/flags
	@mkdir -p $(@D)
	$(Q)$(CC) $(ALL_CFLAGS) -Ifcgi/admin -c -o $@ $<

# tests/unit/test_X.flags, if it is there: what this program is linked with in addition.
$(TESTS) $(B)/tests/vectors: $(B)/tests/%: $(B)/obj/tests/unit/%.o $(LIB) $(wildcard tests/unit/*.flags)
	@mkdir -p $(@D)
	$(Q)$(CC) $(ALL_LDFLAGS) -o $@ $< $(shell cat tests/unit/$*.flags 2>/dev/null) $(LIB) $(LIBS) -lcmocka

# All of both programs but their main functions, for the fuzz targets to take from.
$(B)/fcgi.a $(B)/admin.a: $(FCGI_OBJS) $(ADMIN_OBJS)
	$(Q)rm -f $@ && $(AR) rcs $@ $(filter-out %/main.o,$(if $(filter %/fcgi.a,$@),$(FCGI_OBJS),$(ADMIN_OBJS)))

# A target with a main function that runs its corpus, or with one that finds inputs for it.
FUZZ_MAIN   = $(if $(FUZZING),,$(B)/obj/tests/fuzz/replay.o)
FUZZ_LIBS   = $(B)/fcgi.a $(B)/admin.a $(LIB)
$(REPLAYS): $(B)/tests/fuzz_%: $(B)/obj/tests/fuzz/%.o $(B)/obj/tests/fuzz/replay.o $(B)/fcgi.a $(B)/admin.a $(LIB) \
		$(wildcard tests/fuzz/*.flags)
	@mkdir -p $(@D)
	$(Q)$(CC) $(ALL_LDFLAGS) $(if $(FUZZING),$(FUZZ_ENGINE)) -o $@ $< $(FUZZ_MAIN) \
		$(shell cat tests/fuzz/$*.flags 2>/dev/null) $(FUZZ_LIBS) $(LIBS) -lcmocka

# Rebuild when the compiler, its flags or the list of sources are not those of the last time.
$(B)/flags: FORCE | $(FIRST)
	@mkdir -p $(@D) && test -w $(@D) || \
		{ echo "make: no right to write in $(@D); take another directory: make B=/tmp/oauth2-fcgi" >&2; exit 1; }
	@command -v $(firstword $(CC)) >/dev/null && $(PKG_CONFIG) --exists $(PKGS) '$(FCGI_PKGS) >= 2.5' $(ADMIN_PKGS) || \
		{ echo "make: $(firstword $(CC)), pkg-config or one of $(PKGS) $(FCGI_PKGS) $(ADMIN_PKGS) is missing; type: make deps" >&2; exit 1; }
	@$(call remember,$(CC) $(ALL_CFLAGS) $(LDFLAGS) $(if $(STATIC_CRYPTO),static libcrypto))

$(B)/sources: FORCE $(B)/flags | $(FIRST)
	@$(call remember,$(SOURCES))

deps: | $(filter clean,$(FIRST))
	@sh etc/make/deps.sh $(NEEDS)

run: all | $(FIRST)
	@sh etc/make/run.sh $(B) $(PORT)

# Not under sanitizers, which have their own memory allocation, nor for the coverage of lib/.
unit: $(TESTS) $(REPLAYS) $(if $(SAN)$(COV),,torture-short)
	@sh tests/unit.sh $(TESTS) $(REPLAYS)

torture-short: all $(B)/torture/shim.so
	@$(PYTHON) tests/torture/torture.py --build $(B) --short

MEMCHECK    = valgrind -q --error-exitcode=99 --leak-check=full --show-leak-kinds=definite \
              --errors-for-leak-kinds=definite

# It lacks seccomp(2).
valgrind: all $(TESTS)
	@UNDER='$(MEMCHECK)' sh tests/unit.sh $(filter-out %/test_sandbox,$(TESTS))
	$(PYTHON) -m pytest -q -p no:cacheprovider tests/e2e/test_cases.py --build $(B) \
		--under '$(MEMCHECK) --log-file=%d/%p.memory'

test: all unit $(B)/tests/timing
	$(PYTHON) -m pytest -q -p no:cacheprovider $(E2E) --build $(B)

test-faults: all $(TESTS) $(B)/torture/shim.so
	@$(PYTHON) tests/reliability/faults.py --build $(B)

vectors: $(B)/tests/vectors
	@test -n '$(VECTORS)' || { echo "make: say where the vectors are: make vectors VECTORS=DIR" >&2; exit 1; }
	@$(B)/tests/vectors $(call quote,$(VECTORS))

bad-inputs: all | $(FIRST)
	@$(PYTHON) tests/reliability/bad_inputs.py --build $(B) $(if $(VECTORS),--vectors $(call quote,$(VECTORS)))

fuzzers: $(FUZZ:%=$(B)/tests/fuzz_%)

fuzz fuzz-merge: | $(FIRST)
	@$(MAKE) --no-print-directory B=$(B)/fuzz CC=clang FUZZING=1 FUZZ=$(call quote,$(FUZZ)) fuzzers
	@sh tests/fuzz/$@.sh $(B)/fuzz $(FUZZ_S) $(FUZZ)

# What is preloaded to let calls fail, and keeps account of memory; never under a sanitizer.
$(B)/torture/shim.so: $(wildcard tests/torture/*.[ch]) $(B)/flags
	@mkdir -p $(@D)
	$(Q)$(CC) $(BASE_CFLAGS) $(WARN) -O2 -g -fPIC -shared -o $@ $(filter %.c,$^)

torture: all $(B)/torture/shim.so | $(FIRST)
	@$(PYTHON) tests/torture/torture.py --build $(B) --step $(TORTURE_STEP) --scenario $(call quote,$(SCENARIO))

coverage: | $(FIRST)
	@find $(B)/cov -name '*.gcda' -delete 2>/dev/null || true
	@$(MAKE) --no-print-directory B=$(B)/cov COV=1 unit
	@$(PYTHON) tests/coverage.py $(B)/cov

hardening: all $(B)/tests/test_sandbox $(B)/tests/test_file
	@BUILD=$(B) sh tests/check/hardening.sh table
	@sh tests/unit.sh $(B)/tests/test_sandbox $(B)/tests/test_file
	$(PYTHON) -m pytest -v --tb=short -p no:cacheprovider tests/e2e/test_hardening.py --build $(B)

lint: all
	@sh tests/check/all.sh $(B) $(call quote,$(BASE_CFLAGS) $(PKG_CFLAGS))

soak: all | $(FIRST)
	@$(PYTHON) tests/reliability/soak.py --build $(B) --seconds $(SOAK_S)

races: all | $(FIRST)
	@$(PYTHON) tests/reliability/races.py --build $(B)

canaries: all | $(FIRST)
	@$(PYTHON) tests/reliability/canaries.py --build $(B)

timing: $(B)/tests/timing | $(FIRST)
	@$(B)/tests/timing

$(B)/tests/timing: $(B)/obj/tests/reliability/timing.o $(B)/fcgi.a $(LIB)
	@mkdir -p $(@D)
	$(Q)$(CC) $(ALL_LDFLAGS) -o $@ $< $(B)/fcgi.a $(LIB) $(LIBS) $(FCGI_LIBS) -lm

bench: all $(B)/bench/unit | $(FIRST)
	@$(PYTHON) tests/bench/bench.py --build $(B) $(if $(SHORT),--short)

bench-peers: all $(B)/bench/unit $(B)/bench/peers/installed | $(FIRST)
	@$(PYTHON) tests/bench/peers.py --build $(B) $(if $(SHORT),--short)

$(B)/bench/unit: $(B)/obj/tests/bench/unit.o $(B)/flags
	@mkdir -p $(@D)
	$(Q)$(CC) $(ALL_LDFLAGS) -o $@ $< -lcrypto

# The servers of others that ours is compared with, in the versions that the lock file names.
$(B)/bench/peers/installed: $(wildcard tests/bench/peers/package*.json) | $(FIRST)
	@mkdir -p $(@D) && cp $^ $(@D)
	$(Q)cd $(@D) && npm ci --silent --no-audit --no-fund
	@touch $@

set_places  = DESTDIR=$(call quote,$(DESTDIR)) PREFIX=$(call quote,$(PREFIX)) DOCDIR=$(call quote,$(DOCDIR)) \
              SYSCONFDIR=$(call quote,$(SYSCONFDIR)) sh etc/make/install.sh

install: all
	@$(set_places) install $(call quote,$(B))

uninstall:
	@$(set_places) uninstall

deb: | $(FIRST)
	@VERSION=$(VERSION) sh etc/make/deb.sh $(call quote,$(B))

deb-test: | $(FIRST)
	@VERSION=$(VERSION) HERE=$(HERE) sh tests/package/test.sh

dist:
	@mkdir -p $(B)
	git archive --prefix=oauth2-fcgi-$(VERSION)/ -o $(B)/oauth2-fcgi-$(VERSION).tar.gz HEAD
	@echo $(B)/oauth2-fcgi-$(VERSION).tar.gz

clean:
	rm -rf build

help:
	@sed -n '/^#/!q;s/^# \{0,1\}//p' Makefile

-include $(shell find $(B)/obj -name '*.d' 2>/dev/null)
