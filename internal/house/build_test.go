package house_test

import (
	"debug/elf"
	"os"
	"path/filepath"
	"runtime"
	"testing"
)

// everyArchitecture says whether to build everything for every architecture, which takes minutes.
var everyArchitecture = os.Getenv("OCELLUS_ARCHITECTURES") == "all"

// TestVet runs go vet, which compares the assembly with its declarations: on everything for the architecture that the tests run on, for the others and without assembly
// on the assembly, or on everything too where OCELLUS_ARCHITECTURES is "all".
func TestVet(t *testing.T) {
	packages := "./asm/..."
	if everyArchitecture {
		packages = "./..."
	}
	for _, arch := range architectures {
		t.Run(arch, func(t *testing.T) {
			what := packages
			if arch == runtime.GOARCH {
				what = "./..."
			}
			goCommand(t, root, target(arch), "vet", what)
		})
	}
	t.Run("purego", func(t *testing.T) { goCommand(t, root, target(runtime.GOARCH), "vet", "-tags=purego", packages) })
	t.Run("gen", func(t *testing.T) { goCommand(t, root+"/gen", target(runtime.GOARCH), "vet", "./...") })
}

// TestStaticBuild builds the programs and asks for files that load no library: for the architecture that the tests run on, or for every one where
// OCELLUS_ARCHITECTURES is "all".
func TestStaticBuild(t *testing.T) {
	machines := map[string]elf.Machine{"amd64": elf.EM_X86_64, "arm64": elf.EM_AARCH64, "arm": elf.EM_ARM, "riscv64": elf.EM_RISCV}
	for _, arch := range architectures {
		t.Run(arch, func(t *testing.T) {
			if !everyArchitecture && arch != runtime.GOARCH {
				t.Skip("make test-long builds for other architectures")
			}
			dir := t.TempDir()
			goCommand(t, root, target(arch), "build", "-buildvcs=false", "-o", dir+string(filepath.Separator), "./cmd/...")
			programs, err := filepath.Glob(filepath.Join(dir, "*"))
			if err != nil || len(programs) == 0 {
				t.Fatalf("no program was built: %v", err)
			}
			for _, program := range programs {
				f, err := elf.Open(program)
				if err != nil {
					t.Fatal(err)
				}
				defer f.Close()
				if f.Machine != machines[arch] {
					t.Errorf("%s is for %v", filepath.Base(program), f.Machine)
				}
				for _, p := range f.Progs {
					if p.Type == elf.PT_INTERP || p.Type == elf.PT_DYNAMIC {
						t.Errorf("%s is not static: it has a %v header", filepath.Base(program), p.Type)
					}
				}
			}
		})
	}
}
