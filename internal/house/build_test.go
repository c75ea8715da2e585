package house_test

import (
	"debug/elf"
	"path/filepath"
	"testing"
)

// TestVet runs go vet, which compares the assembly with its declarations, for every architecture and without assembly.
func TestVet(t *testing.T) {
	for _, arch := range architectures {
		t.Run(arch, func(t *testing.T) { goCommand(t, root, target(arch), "vet", "./...") })
	}
	t.Run("purego", func(t *testing.T) { goCommand(t, root, nil, "vet", "-tags=purego", "./...") })
	t.Run("gen", func(t *testing.T) { goCommand(t, root+"/gen", nil, "vet", "./...") })
}

// TestStaticBuild builds the programs for every architecture and asks for files that load no library.
func TestStaticBuild(t *testing.T) {
	machines := map[string]elf.Machine{"amd64": elf.EM_X86_64, "arm64": elf.EM_AARCH64, "arm": elf.EM_ARM, "riscv64": elf.EM_RISCV}
	for _, arch := range architectures {
		t.Run(arch, func(t *testing.T) {
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
