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
#   make coverage      the unit tests, and what of lib/ they run (at least 90 % of the lines)
#   make lint          style, layers, manuals, static analysis
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
# What oauth2-admin alone is linked with.
ADMIN_PKGS := libcurl
CFLAGS     ?= -O2 -g
PORT       ?= 8080
# How long each of which fuzz targets runs, and what finds their inputs.
FUZZ_S     ?= 60
FUZZ       ?= $(FUZZERS)
FUZZ_ENGINE ?= -fsanitize=fuzzer
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
PKG_CFLAGS  = $(eval PKG_CFLAGS := $(shell $(PKG_CONFIG) --cflags $(PKGS) $(ADMIN_PKGS)))$(PKG_CFLAGS)
PKG_LIBS    = $(eval PKG_LIBS := $(shell $(PKG_CONFIG) --libs $(PKGS)))$(PKG_LIBS)
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
              $(if $(filter test unit vectors coverage valgrind deb-test,$(MAKECMDGOALS)),test) \
              $(if $(filter deb deb-test,$(MAKECMDGOALS)),deb) \
              $(if $(filter bench bench-peers,$(MAKECMDGOALS)),bench) \
              $(if $(filter fuzz fuzz-merge,$(MAKECMDGOALS)),fuzz) \
              $(filter valgrind lint bench-peers,$(MAKECMDGOALS))

.PHONY: all deps run test unit vectors valgrind coverage lint fuzz fuzz-merge fuzzers bench bench-peers install uninstall deb deb-test \
        dist clean help FORCE
.DELETE_ON_ERROR:

all: $(B)/oauth2.fcgi $(B)/oauth2-admin

$(B)/oauth2.fcgi: $(FCGI_OBJS) $(LIB) $(B)/flags $(B)/sources
	$(Q)$(CC) $(ALL_LDFLAGS) -o $@ $(FCGI_OBJS) $(LIB) $(LIBS)
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
	@command -v $(firstword $(CC)) >/dev/null && $(PKG_CONFIG) --exists $(PKGS) $(ADMIN_PKGS) || \
		{ echo "make: $(firstword $(CC)), pkg-config or one of $(PKGS) $(ADMIN_PKGS) is missing; type: make deps" >&2; exit 1; }
	@$(call remember,$(CC) $(ALL_CFLAGS) $(LDFLAGS) $(if $(STATIC_CRYPTO),static libcrypto))

$(B)/sources: FORCE $(B)/flags | $(FIRST)
	@$(call remember,$(SOURCES))

deps: | $(filter clean,$(FIRST))
	@sh etc/make/deps.sh $(NEEDS)

run: all | $(FIRST)
	@sh etc/make/run.sh $(B) $(PORT)

unit: $(TESTS) $(REPLAYS)
	@sh tests/unit.sh $(TESTS) $(REPLAYS)

MEMCHECK    = valgrind -q --error-exitcode=99 --leak-check=full --show-leak-kinds=definite \
              --errors-for-leak-kinds=definite

valgrind: all $(TESTS)
	@UNDER='$(MEMCHECK)' sh tests/unit.sh $(TESTS)
	$(PYTHON) -m pytest -q -p no:cacheprovider tests/e2e/test_cases.py --build $(B) \
		--under '$(MEMCHECK) --log-file=%d/%p.memory'

test: all unit
	$(PYTHON) -m pytest -q -p no:cacheprovider $(E2E) --build $(B)

vectors: $(B)/tests/vectors
	@test -n '$(VECTORS)' || { echo "make: say where the vectors are: make vectors VECTORS=DIR" >&2; exit 1; }
	@$(B)/tests/vectors $(call quote,$(VECTORS))

fuzzers: $(FUZZ:%=$(B)/tests/fuzz_%)

fuzz fuzz-merge: | $(FIRST)
	@$(MAKE) --no-print-directory B=$(B)/fuzz CC=clang FUZZING=1 FUZZ=$(call quote,$(FUZZ)) fuzzers
	@sh tests/fuzz/$@.sh $(B)/fuzz $(FUZZ_S) $(FUZZ)

coverage: | $(FIRST)
	@find $(B)/cov -name '*.gcda' -delete 2>/dev/null || true
	@$(MAKE) --no-print-directory B=$(B)/cov COV=1 unit
	@sh tests/coverage.sh $(B)/cov 90

lint: all
	@sh tests/check/all.sh $(B) $(call quote,$(BASE_CFLAGS) $(PKG_CFLAGS))

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
