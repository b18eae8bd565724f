# Two commands for a newcomer: make demo, make test. The others are parts of
# them, and make bench. Each says what it installs; see README.md.
SHELL := /bin/bash
.DELETE_ON_ERROR:

VERSION ?= $(shell git describe --tags --dirty --always 2>/dev/null || echo unknown)
GO      ?= go
# Static and small: what is shipped needs no C library and no debugging tables.
BUILD    = CGO_ENABLED=0 $(GO) build -trimpath -ldflags '-s -w -X main.release=$(VERSION)'
FAST     = $$($(GO) list ./... | grep -v internal/e2e)
# The race detector needs a C compiler.
RACE     = $(if $(shell command -v gcc),-race)

.PHONY: all build demo test lint staticcheck unit long e2e bench engine clean help
all: build

help:
	@echo 'make demo    see it work: real pulls through token after token, no AWS account needed'
	@echo 'make test    every test, end to end with a real Docker Engine'
	@echo 'make build   bin/ecr-refreshd'
	@echo 'make bench   cost against aws | docker login; needs root, installs awscli'

build:
	$(BUILD) -o bin/ ./cmd/ecr-refreshd ./cmd/ecr-emulator

demo: engine build
	$(BUILD) -o bin/ecr-demo ./internal/demo
	bin/ecr-demo -daemon bin/ecr-refreshd

test: lint unit long e2e staticcheck
	@echo 'make test: everything passed'

lint:
	@test -z "$$(gofmt -l cmd internal)" || { echo 'gofmt would change:'; gofmt -l cmd internal; exit 1; }
	$(GO) vet ./...
	$(GO) mod verify
	$(GO) mod tidy -diff

staticcheck:
	$(GO) run honnef.co/go/tools/cmd/staticcheck@v0.8.2 ./...

# -short leaves out nothing but the length of the longest runs, which long
# makes up for.
unit:
	$(GO) test $(RACE) -short -timeout 10m $(FAST)

long:
	$(GO) test -count=1 -run Month -v ./internal/renew
	$(GO) test -count=1 -v ./internal/target/dockerconfig

e2e: engine
	$(GO) test -count=1 -timeout 15m -v ./internal/e2e

bench: engine
	@command -v aws >/dev/null || $(call install,awscli)
	$(GO) run ./internal/bench

# A Docker Engine for private use by demo, tests and benchmark; nothing of the
# host's own engine is touched.
engine:
	@command -v dockerd >/dev/null && command -v containerd >/dev/null && command -v docker >/dev/null || $(call install,docker.io)
	@command -v docker >/dev/null || $(call install,docker-cli)

# install names what it installs, or what is missing where it may not.
define install
{ if [ "$$(id -u)" = 0 ] && command -v apt-get >/dev/null; then \
	echo 'installing the Debian package $(1)'; apt-get update -qq && \
	DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends $(1) >/dev/null; \
  else echo 'MISSING: $(1); without it, or without root, a part is left out (sudo apt-get install $(1))'; fi; }
endef

clean:
	rm -rf bin
