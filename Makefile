# Two commands for a newcomer: make demo, make test. The others are parts of
# them, and make bench. Each says what it installs; see CONTRIBUTING.md.
SHELL := /bin/bash
.DELETE_ON_ERROR:

# As git describe says it, or CHANGELOG.md where there is no tag; VERSION= says another.
RELEASE := $(shell deploy/package/version.sh $(VERSION))
GO      ?= go
# Static and small: what is shipped needs no C library and no debugging tables.
BUILD    = CGO_ENABLED=0 $(GO) build -trimpath -ldflags '-s -w -X main.release=$(RELEASE)'
FAST     = $$($(GO) list ./... | grep -v -e internal/e2e -e internal/attacks -e deploy/package$$)
# The race detector needs a C compiler.
RACE     = $(if $(shell command -v gcc),-race)

CRANE           = github.com/google/go-containerregistry/cmd/crane
REGCTL          = github.com/regclient/regclient/cmd/regctl@v0.11.7
HELM            = helm.sh/helm/v4/cmd/helm@v4.3.1
KO              = github.com/google/ko@v0.19.1
# The newest that runs on the node of Debian 12.
NODE_CLIENT     = testcontainers@10.28.0
ORAS            = oras.land/oras/cmd/oras@v1.3.6
COMPOSE         = github.com/docker/compose/v5
COMPOSE_VERSION = v5.0.2
AXE             = axe-core@4.14.1
FUZZTIME        = 1m
# Newer ones have a dependency that not every module proxy serves.
NFPM_VERSION    = v2.45.2
NFPM            = $(CURDIR)/bin/tools/nfpm-$(NFPM_VERSION)

.PHONY: all build demo test lint staticcheck unit long attacks fuzz fuzz-all proof e2e package package-test image inspectors bench engine clients more-clients nodes readers prometheus browser screenshots engines systemd clean help
all: build

help:
	@echo 'make demo    see it work: real pulls through token after token, no AWS account needed'
	@echo 'make test    every test, end to end with a real Docker Engine'
	@echo 'make build   bin/ecr-refreshd'
	@echo 'make package deb and rpm for amd64 and arm64 in bin/package; make image: a container image'
	@echo 'make proof   what is claimed, measured at full length; an hour'
	@echo 'make bench   cost against aws | docker login and their credential helper; needs root, installs both'

build:
	$(BUILD) -o bin/ ./cmd/ecr-refreshd ./cmd/docker-credential-ecr-refreshd ./cmd/ecr-emulator

demo: engine build
	$(BUILD) -o bin/ecr-demo ./internal/demo
	bin/ecr-demo -daemon bin/ecr-refreshd

test: lint unit long attacks fuzz e2e package-test staticcheck
	@echo 'make test: everything passed'

lint:
	@test -z "$$(gofmt -l cmd deploy docs internal)" || { echo 'gofmt would change:'; gofmt -l cmd deploy docs internal; exit 1; }
	$(GO) vet ./...
	$(GO) mod verify
	$(GO) mod tidy -diff

staticcheck:
	$(GO) run honnef.co/go/tools/cmd/staticcheck@v0.8.2 ./...

# -short leaves out nothing but the length of the longest runs, which long
# makes up for.
unit: engine systemd readers prometheus browser
	PATH="$(CURDIR)/bin/clients:$$PATH" $(GO) test $(RACE) -short -timeout 10m $(FAST)

long:
	$(GO) test -count=1 -run Year -v ./internal/renew
	$(GO) test -count=1 -v ./internal/targets/dockerconfig

# What hostile endpoints, engines and commands may do to the programs.
attacks:
	$(GO) test -count=1 -timeout 15m -v ./internal/attacks -ways many

# The echoes that internal/attacks knows, and what a minute makes of them.
fuzz:
	$(GO) test -run '^$$' -fuzz FuzzEcho -fuzztime $(FUZZTIME) ./internal/attacks

# Every parser of what others write.
fuzz-all:
	@grep -rl '^func Fuzz' --include=*_test.go cmd deploy internal | while read -r file; do \
		for name in $$(sed -n 's/^func \(Fuzz[A-Za-z]*\).*/\1/p' $$file); do \
			echo "$$name in $$(dirname $$file)"; \
			$(GO) test -run '^$$' -fuzz "^$$name\$$" -fuzztime $(FUZZTIME) ./$$(dirname $$file) || exit 1; \
		done; \
	done

# What the project claims, measured at full length, and written to docs/proof.md; takes most of an hour.
proof: engine systemd readers clients
	PATH="$(CURDIR)/bin/clients:$$PATH" $(GO) run ./internal/proof -write docs/proof.md
	$(MAKE) fuzz-all FUZZTIME=15s

e2e: engine clients nodes systemd
	PATH="$(CURDIR)/bin/clients:$$PATH" $(GO) test -count=1 -timeout 15m -run "$(or $(TESTS),.)" -v ./internal/e2e

# The same on the engines of Debian 12 and 13 and on the newest one; takes an hour the
# first time. TESTS= names some. Prints the table of docs/clients.md.
engines:
	internal/e2e/engines.sh "$(or $(TESTS),.)"

# deb and rpm for amd64 and arm64, in bin/package. MAINTAINER='Name <address>' names
# who builds them.
package: $(NFPM)
	GO=$(GO) NFPM=$(NFPM) VERSION=$(RELEASE) deploy/package/build.sh bin/package

# Their own tools read the packages; a Debian within this machine installs them.
package-test: package inspectors systemd
	PACKAGES=$(CURDIR)/bin/package NFPM=$(NFPM) VERSION=$(RELEASE) $(GO) test -count=1 -timeout 10m -v ./deploy/package

inspectors:
	@command -v lintian >/dev/null && command -v rpm >/dev/null && command -v rpmlint >/dev/null && command -v curl >/dev/null || $(call install,lintian rpm rpmlint ca-certificates curl)

$(NFPM):
	@echo 'building nfpm $(NFPM_VERSION)'; GOBIN=$(@D)/.new $(GO) install github.com/goreleaser/nfpm/v2/cmd/nfpm@$(NFPM_VERSION) && \
	mv $(@D)/.new/nfpm $@ && rmdir $(@D)/.new

# The container image, with this host's certificates in it; its Containerfile says how
# to run it.
image: build
	mkdir -p bin/image && cp bin/ecr-refreshd bin/docker-credential-ecr-refreshd /etc/ssl/certs/ca-certificates.crt bin/image/
	docker build --tag ecr-refreshd:$(subst +,-,$(subst ~,-,$(RELEASE))) --tag ecr-refreshd --file deploy/package/Containerfile bin/image

bench: engine
	@command -v aws >/dev/null || $(call install,awscli)
	@command -v docker-credential-ecr-login >/dev/null || $(call install,amazon-ecr-credential-helper)
	$(GO) run ./internal/bench

# A Docker Engine for private use by demo, tests and benchmark; nothing of the
# host's own engine is touched.
engine:
	@command -v dockerd >/dev/null && command -v containerd >/dev/null && command -v docker >/dev/null || $(call install,docker.io)
	@command -v docker >/dev/null || $(call install,docker-cli)

# The clients of docs/clients.md: Debian's, and those that come as Go modules.
clients: engine readers bin/clients/crane bin/clients/compose bin/clients/kubelet-login bin/clients/oras \
		bin/clients/testcontainers-go bin/clients/node_modules
	@test -x /usr/bin/docker-compose && /usr/bin/python3 -c 'import docker' 2>/dev/null || $(call install,docker-compose python3-docker) || $(call left,clients)
	@for docker in docker /usr/bin/docker; do DOCKER_BUILDKIT=1 $$docker build --help >/dev/null 2>&1 && exit; done; \
	$(call install,docker-buildx) || $(call left,docker-buildx)

# What makes the networks between the nodes of a swarm.
nodes:
	@command -v ip >/dev/null && command -v nsenter >/dev/null || $(call install,iproute2 util-linux)

# The same table with clients that take too much to install for make test.
more-clients: clients bin/clients/ko bin/clients/testcontainers-node
	ECR_REFRESHD_MORE_CLIENTS=1 PATH="$(CURDIR)/bin/clients:$$PATH" $(GO) test -count=1 -timeout 15m -run EveryClientInEveryState -v ./internal/e2e

# What internal/clientview is compared with, besides docker, and jq, which the hooks of the guides
# use. helm takes minutes to build the first time.
readers: bin/clients/regctl bin/clients/helm
	@command -v skopeo >/dev/null && command -v buildah >/dev/null && command -v podman >/dev/null && command -v jq >/dev/null || \
	$(call install,skopeo buildah podman netavark jq)

# What deploy/monitoring is tested with. The package is unpacked, not installed: installed it
# would run, and listen on port 9090.
prometheus: bin/clients/prometheus
bin/clients/prometheus:
	@echo 'unpacking the Debian package prometheus'; mkdir -p $(@D)/.prometheus && cd $(@D)/.prometheus && \
	{ [ "$$(id -u)" != 0 ] || apt-get update -qq; } && apt-get download -qq prometheus 2>/dev/null && dpkg -x prometheus_*.deb . && \
	mv usr/bin/promtool usr/bin/prometheus .. && cd .. && rm -rf .prometheus || $(call left,prometheus)

# What the status page is looked at with: a real browser, and axe, which finds what keeps people
# from reading it.
browser: bin/browser/node_modules
	@command -v chromium >/dev/null || $(call install,chromium)

bin/browser/node_modules: Makefile
	@command -v npm >/dev/null || $(call install,npm)
	@! command -v npm >/dev/null || npm install --silent --no-audit --no-fund --ignore-scripts --no-save --no-package-lock --prefix $(@D) $(AXE) >/dev/null && \
	touch $@ || $(call left,axe-core)

# The images of the README, and the page in every state in bin/screenshots, from real runs.
screenshots: engine browser
	@ls /usr/share/fonts/opentype/inter >/dev/null 2>&1 || $(call install,fonts-inter)
	mkdir -p docs/images bin/screenshots
	$(GO) test -count=1 -run PageSaysWhatIsWrong ./internal/e2e -keep $(CURDIR)/internal/page/testdata
	$(GO) test -count=1 -run Screenshots ./internal/page -readme $(CURDIR)/docs/images -images $(CURDIR)/bin/screenshots

# systemd's own tools for the units, and a container to boot it in.
systemd:
	@command -v systemd-analyze >/dev/null && command -v systemd-nspawn >/dev/null || $(call install,systemd systemd-container)

bin/clients/crane: go.mod
	@echo 'building crane'; GOBIN=$(CURDIR)/$(@D) $(GO) install $(CRANE)@$$($(GO) list -m -f '{{.Version}}' $(CRANE:%/cmd/crane=%)) && \
	touch $@ || $(call left,crane)

bin/clients/regctl: program = $(REGCTL)
bin/clients/helm: program = $(HELM)
bin/clients/oras: program = $(ORAS)
bin/clients/ko: program = $(KO)
bin/clients/regctl bin/clients/helm bin/clients/oras bin/clients/ko: Makefile
	@echo 'building $(program)'; GOBIN=$(CURDIR)/$(@D) $(GO) install $(program) && touch $@ || $(call left,$(@F))

bin/clients/testcontainers-go: $(wildcard internal/e2e/testdata/testcontainers/*)
	@echo 'building with testcontainers-go'; mkdir -p $(@D) && $(GO) build -C internal/e2e/testdata/testcontainers -o $(CURDIR)/$@ . || $(call left,$(@F))

bin/clients/testcontainers-node: internal/e2e/testdata/testcontainers-node.js Makefile
	@command -v npm >/dev/null || $(call install,nodejs npm)
	@echo 'installing $(NODE_CLIENT) with npm'; mkdir -p $(@D) && \
	npm install --prefix $(@D) --no-save --no-package-lock --ignore-scripts --omit=dev --no-audit --no-fund $(NODE_CLIENT) && \
	install -m 0755 $< $@ || $(call left,testcontainers for node)

# Its go.mod does not allow go install; a module that needs nothing else builds
# it with the versions that it names.
bin/clients/compose:
	@echo 'building docker compose $(COMPOSE_VERSION), which takes minutes the first time'; mkdir -p $(@D) && \
	dir=$$(mktemp -d) && trap 'rm -rf "$$dir"' EXIT && cd "$$dir" && $(GO) mod init compose 2>/dev/null && \
	$(GO) get $(COMPOSE)/cmd@$(COMPOSE_VERSION) 2>/dev/null && \
	CGO_ENABLED=0 $(GO) build -ldflags '-s -w -X $(COMPOSE)/internal.Version=$(COMPOSE_VERSION)' -o $(CURDIR)/$@ $(COMPOSE)/cmd || \
	$(call left,docker compose)

bin/clients/kubelet-login: $(wildcard internal/e2e/testdata/kubelet/*)
	@echo "building the kubelet's part of a login"; mkdir -p $(@D) && cd internal/e2e/testdata/kubelet && \
	CGO_ENABLED=0 $(GO) build -ldflags '-s -w' -o $(CURDIR)/$@ . || $(call left,kubelet)

# What Dokploy creates services with; where there is no npm, the tests make its request themselves.
bin/clients/node_modules:
	@! command -v npm >/dev/null || npm install --silent --no-audit --no-fund --ignore-scripts --prefix $(@D) dockerode@4.0.12 >/dev/null || $(call left,dockerode)

left = echo 'MISSING: $(1); a part is left out'

# install names what it installs, or what is missing where it may not.
define install
{ if [ "$$(id -u)" = 0 ] && command -v apt-get >/dev/null; then \
	echo 'installing the Debian package $(1)'; apt-get update -qq && \
	DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends $(1) >/dev/null; \
  else echo 'MISSING: $(1); without it, or without root, a part is left out (sudo apt-get install $(1))'; fi; }
endef

clean:
	rm -rf bin
