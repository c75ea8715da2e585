package main

import (
	"fmt"
	"os"
	"os/exec"
	"slices"
	"strings"
	"time"
)

// A part is one way to run tests.
type part struct {
	name, what string
	env        []string
	dir        string
	flags      []string      // of go test
	packages   []string      // nil: every package of the module that is not about the house itself
	fuzz       time.Duration // positive: fuzz each target for so long
	long       bool          // left out unless asked for
	missing    func() string // what it lacks on this machine, or ""
}

func nothing() string { return "" }

// allParts returns the parts in the order that they run.
func allParts(fuzztime time.Duration) []part {
	every := []string{"./..."}
	soaked := []string{"./cmd/ocellusd/internal/store", "./cmd/ocellusd/internal/teach", "./cmd/ocellusd/internal/out"}
	networks := emulated("arm64", "qemu-aarch64-static", []string{"./model/onnx", "./model/train"})
	networks.name, networks.what = "arm64-networks", "digests of networks and of training, "+networks.what
	networks.flags = append(networks.flags, "-run=Digest")
	programs := emulated("arm64", "qemu-aarch64-static", []string{"./cmd/..."})
	programs.name = "arm64-programs"
	return slices.Concat([]part{
		// Without cgo, as the programs are built, so that internal/house finds compiled what it vets and builds; it vets everything, and more thoroughly than go test.
		{name: "native", what: "every package", env: []string{"CGO_ENABLED=0"}, flags: []string{"-vet=off"}, packages: every, missing: nothing},
		emulated("arm64", "qemu-aarch64-static", []string{"./kernels/...", "./model"}),
		networks,
		{name: "gen", what: "the generators", dir: "gen", env: []string{"CGO_ENABLED=0"}, flags: []string{"-vet=off"}, packages: every, missing: nothing},
	}, long([]part{
		// SQLite, which is one function after another of translated C, takes the compiler long with the detector, and is not what is looked into.
		{name: "race", what: "race detector", flags: []string{"-race", "-short", "-gcflags=modernc.org/...=-race=false -N"}, env: []string{"CGO_ENABLED=1"}, missing: noRace},
		{name: "purego", what: "built without assembly", flags: []string{"-tags=purego", "-short"}, missing: nothing},
		lowered("generic", nothing),
		lowered("avx2", notAMD64),
		{name: "architectures", what: "go vet and static programs for every architecture", env: []string{"OCELLUS_ARCHITECTURES=all"},
			packages: []string{"./internal/house"}, flags: []string{"-run=^(TestVet|TestStaticBuild)$"}, missing: nothing},
		programs,
		emulated("arm", "qemu-arm-static", []string{"./kernels/...", "./camera", "./camera/v4l2"}, "GOARM=7"),
		emulated("riscv64", "qemu-riscv64-static", []string{"./kernels/..."}),
		{
			name: "device", what: "cameras in an emulated ARM computer",
			env: []string{"OCELLUS_DEVICE=all"}, flags: []string{"-timeout=25m"}, packages: []string{"./internal/device"}, missing: noDevice,
		},
		{name: "soak", what: "kills at random moments, and an hour of events without a broker, for a minute each", env: []string{"OCELLUS_SOAK=1m"}, missing: nothing,
			packages: soaked, flags: []string{"-run=^(TestKill|TestKilled|TestKilledWhilePublishing|TestHourAway)$"}},
		{name: "gocv", what: "camera/gocv with OpenCV", env: []string{"CGO_ENABLED=1"}, packages: []string{"./camera/gocv"},
			flags: []string{"-tags=gocv,gocv_specific_modules,gocv_videoio,matprofile"}, missing: noOpenCV},
		{name: "fuzz", what: fmt.Sprintf("each target for %v", fuzztime), fuzz: fuzztime, missing: nothing},
	}))
}

// long marks parts that take minutes and that most changes do without.
func long(parts []part) []part {
	for i := range parts {
		parts[i].long = true
	}
	return parts
}

// lowered returns the part that starts tests with an instruction set held back; tests that visit every instruction set by themselves are left out.
func lowered(isa string, missing func() string) part {
	return part{
		name: isa, what: "OCELLUS_ISA=" + isa,
		env:      []string{"OCELLUS_ISA=" + isa},
		flags:    []string{"-run=Digest|SelfTest|Doctor"},
		packages: []string{"./kernels/...", "./model/...", "./cmd/..."},
		missing:  missing,
	}
}

// emulated returns the part that runs packages for another architecture under qemu's user mode.
func emulated(arch, qemu string, packages []string, env ...string) part {
	return part{
		name: arch, what: "GOARCH=" + arch + " under " + qemu,
		env:      append(env, "GOARCH="+arch, "CGO_ENABLED=0"),
		flags:    []string{"-short", "-exec=" + qemu},
		packages: packages,
		missing: func() string {
			switch {
			case hostIs(arch):
				return "this machine runs it natively"
			case !have(qemu):
				return qemu + " is not installed (Debian: sudo apt install qemu-user-static)"
			}
			return ""
		},
	}
}

// noOpenCV says why nothing can be built with OpenCV here, or "".
func noOpenCV() string {
	if exec.Command("pkg-config", "--exists", "opencv4").Run() != nil {
		return "OpenCV is not installed (make gocv installs it on Debian)"
	}
	if !have("g++") {
		return "it needs a C++ compiler (Debian: sudo apt install g++)"
	}
	return ""
}

// noRace says why the race detector cannot run here, or "".
func noRace() string {
	cc := os.Getenv("CC")
	if cc == "" {
		cc = "gcc"
	}
	switch {
	case !hostIs("amd64", "arm64", "ppc64le", "s390x"):
		return "the race detector does not support this architecture"
	case !have(strings.Fields(cc)[0]):
		return "it needs a C compiler (Debian: sudo apt install gcc libc6-dev)"
	}
	return ""
}

// noDevice says why no computer can be emulated here, or "".
func noDevice() string {
	if !have("qemu-system-aarch64") {
		return "qemu-system-aarch64 is not installed (Debian: sudo apt install qemu-system-arm)"
	}
	return ""
}

func notAMD64() string {
	if !hostIs("amd64") {
		return "this machine has no AVX2"
	}
	return ""
}

// commands returns the arguments of the go test commands that the part consists of.
func (p part) commands() ([][]string, error) {
	if p.fuzz > 0 {
		return p.fuzzCommands()
	}
	packages := p.packages
	if packages == nil {
		var err error
		if packages, err = p.list(); err != nil {
			return nil, err
		}
	}
	return [][]string{slices.Concat([]string{"-count=1", "-timeout=20m"}, p.flags, packages)}, nil
}

// list returns the packages of the module but those under internal, which test the house and not what runs in it.
func (p part) list() ([]string, error) {
	out, err := p.command("list", "./...").Output()
	if err != nil {
		return nil, fmt.Errorf("go list: %w", err)
	}
	return slices.DeleteFunc(strings.Fields(string(out)), func(pkg string) bool {
		rest := strings.SplitN(pkg, "/", 4)
		return len(rest) == 4 && strings.HasPrefix(rest[3], "internal/")
	}), nil
}

// fuzzCommands returns one command, but for its time, for each fuzz target of the module.
func (p part) fuzzCommands() ([][]string, error) {
	packages, err := p.list()
	if err != nil {
		return nil, err
	}
	var commands [][]string
	for _, pkg := range packages {
		out, err := p.command("test", "-list=^Fuzz", pkg).CombinedOutput()
		if err != nil {
			return nil, fmt.Errorf("go test -list %s: %w\n%s", pkg, err, out)
		}
		for line := range strings.Lines(string(out)) {
			if name := strings.TrimSpace(line); strings.HasPrefix(name, "Fuzz") {
				commands = append(commands, []string{"-run=^$", "-fuzz=^" + name + "$", pkg})
			}
		}
	}
	return commands, nil
}
