# Targets are listed by "make help".
.DEFAULT_GOAL := help
SHELL         := /bin/bash
.SHELLFLAGS   := -o pipefail -c
.PHONY: help demo build test test-long test-device soak fuzz bench bench-daemon bench-peers bench-train eyes generate lint cross deb dist gocv clean setup

GO          ?= go
# Go refuses to build where git distrusts the folder's owner, unless told to leave the revision out.
BUILDVCS    := $(if $(shell git rev-parse HEAD 2>/dev/null),true,false)
STATICCHECK := honnef.co/go/tools/cmd/staticcheck@v0.8.2
PLATFORMS   := amd64 arm64 arm riscv64
# Of gocv only what opens cameras and clips: all of it does not build with Debian 12's OpenCV.
GOCV_TAGS   := gocv,gocv_specific_modules,gocv_videoio
TOTALS      ?= out/tests.txt
# Builds without tables for debuggers, which cost a sixth of the time that a first build takes, and with a compiler that collects garbage less often.
LEAN        := GOGC=400 $(GO) build -trimpath -gcflags=all=-dwarf=false -ldflags=-w
# How long to fuzz each target: "make fuzz" for a minute, "make test-long" for 5 seconds.
FUZZTIME    ?=
BENCH       ?= .
BENCHTIME   ?= 0.3s

demo build: export CGO_ENABLED = 0
cross: export CGO_ENABLED = 0
cross: export GOARM = 7

help: ## list the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## /{printf "  make %-11s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

demo: ## build bin/ocellus, and show what it sees of what it draws itself: pictures and clips in out/demo
	$(LEAN) -buildvcs=$(BUILDVCS) -o bin/ ./cmd/ocellus
	bin/ocellus demo out/demo

build: ## build bin/ocellus and bin/ocellusd, each one static file
	$(LEAN) -buildvcs=$(BUILDVCS) -o bin/ ./cmd/ocellus ./cmd/ocellusd

gocv: export CGO_ENABLED = 1
gocv: ## build bin/ocellus-gocv, which reads and writes through OpenCV, and test that; installs libopencv-dev where that is allowed
	@.ci/setup libopencv-dev pkg-config g++
	@if ! pkg-config --exists opencv4; then echo "no OpenCV here: skipped (Debian 12: sudo apt-get install libopencv-dev pkg-config g++)"; exit 0; fi; \
	set -x; $(GO) build -buildvcs=$(BUILDVCS) -trimpath -tags $(GOCV_TAGS) -o bin/ocellus-gocv ./cmd/ocellus && \
	$(GO) run ./internal/testall -parts gocv

setup: ## install what the tests use (qemu, binutils), where that is allowed
	@.ci/setup

test: setup ## run the tests: every package, kernels and networks on arm64 under qemu, the generators
	@$(GO) run ./internal/testall -o $(TOTALS)

test-long: setup ## and what takes longer: race detector, purego, every architecture, the emulated device, kills, fuzzing for FUZZTIME (5s)
	@$(GO) run ./internal/testall -parts long -o $(TOTALS) $(if $(FUZZTIME),-fuzztime $(FUZZTIME))

test-device: setup ## run the program in an emulated ARM computer with cameras that misbehave
	@$(GO) run ./internal/testall -parts device

soak: ## kill the daemon's writers 200 times at random moments, and keep its broker away for an hour of events
	OCELLUS_SOAK=2h $(GO) test -count=1 -v -timeout 6h -run '^(TestKill|TestKilled|TestKilledWhilePublishing|TestHourAway)$$' ./cmd/ocellusd/internal/store ./cmd/ocellusd/internal/teach ./cmd/ocellusd/internal/out

fuzz: ## fuzz each target for FUZZTIME (1m)
	@$(GO) run ./internal/testall -parts fuzz -fuzztime $(or $(FUZZTIME),1m)

bench: ## speed of the kernels beside the peak of the CPU; BENCH=regexp selects
	@mkdir -p out
	$(GO) test -run '^$$' -bench '$(BENCH)' -benchtime $(BENCHTIME) -timeout 0 ./kernels | tee out/bench.txt
	@$(GO) run ./internal/benchtable < out/bench.txt > out/bench.md && echo "tables: out/bench.md"

bench-daemon: build ## the daemon with 8 cameras, 50 viewers and 100 requests a second for ten minutes; ARGS='-for 1m' selects
	@$(GO) run ./internal/benchdaemon $(ARGS)

bench-peers: build ## latency, load time and memory beside ONNX Runtime's; ARGS='--only resnet18 --rounds 1' selects
	@scripts/bench_peers.sh $(ARGS)

bench-train: build ## a step of training beside PyTorch's; ARGS='3 resnet18:8' selects rounds and networks
	@scripts/bench_train.sh $(ARGS)

eyes: build ## how well networks see, ours beside others, as tables; ARGS='--train scene' trains what is missing, selects
	@scripts/eyes.sh $(ARGS)

generate: ## write asm/ again from gen/
	cd gen && $(GO) generate ./...

lint: ## gofmt, go vet, go mod tidy and staticcheck
	@unformatted=$$(gofmt -l .); if [ -n "$$unformatted" ]; then echo "not formatted by gofmt:" $$unformatted; exit 1; fi
	$(GO) vet ./...
	cd gen && $(GO) vet ./...
	$(GO) mod tidy -diff
	cd gen && $(GO) mod tidy -diff
	$(GO) run $(STATICCHECK) ./...
	cd gen && $(GO) run $(STATICCHECK) ./...

cross: ## build dist/PROGRAM-linux-ARCH for ocellus and ocellusd, on amd64, arm64, arm (v7) and riscv64
	@mkdir -p dist
	@for arch in $(PLATFORMS); do for program in ocellus ocellusd; do \
		echo "dist/$$program-linux-$$arch"; \
		GOOS=linux GOARCH=$$arch $(GO) build -buildvcs=$(BUILDVCS) -trimpath -ldflags='-s -w' -o dist/$$program-linux-$$arch ./cmd/$$program || exit 1; \
	done; done

deb: ## build dist/*.deb of both programs for amd64, arm64 and armhf: the service ocellusd with its settings, user and sandbox
	@$(MAKE) --no-print-directory cross PLATFORMS="$(sort amd64 arm64 arm $(shell $(GO) env GOHOSTARCH))"
	@for arch in amd64 arm64 arm; do packaging/deb.sh $$arch dist dist || exit 1; done

dist: cross deb ## all of cross and deb, and their SHA-256; the same commit and Go make the same bytes
	cd dist && sha256sum *-linux-* *.deb > SHA256SUMS

clean: ## remove what make built
	rm -rf bin dist out
