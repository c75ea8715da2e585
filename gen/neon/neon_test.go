package neon

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"reflect"
	"regexp"
	"strconv"
	"strings"
	"testing"
)

// plain are the methods of Func that write no instruction of their own, or text of the caller.
var plain = map[string]bool{
	"Frame": true, "Label": true, "Comment": true, "T": true, "Ret": true, "LoadArg": true, "LoadArgF": true, "StoreRet": true, "StoreRetF": true,
	"DataAddr": true, "Const": true, "ConstF": true, "Alloc": true, "AllocN": true, "Take": true, "Free": true, "AllocR": true, "TakeR": true, "FreeR": true,
}

// TestEveryInstruction assembles every method of Func with operands at the edges and compares the disassembly with the text that it claims.
func TestEveryInstruction(t *testing.T) {
	objdump := tool(t, "aarch64-linux-gnu-objdump")
	f := NewFile("a test", "main")
	fn := f.Func("edges", "()")
	typ := reflect.TypeOf(fn)
	for i := range typ.NumMethod() {
		m := typ.Method(i)
		if plain[m.Name] {
			continue
		}
		before := len(fn.lines)
		edges(fn, m)
		if len(fn.lines) == before {
			t.Errorf("%s: no operands were accepted", m.Name)
		}
	}
	var want []string
	for _, l := range fn.lines {
		if l.gnu == "" {
			t.Fatalf("%s: no GNU text", l.text)
		}
		want = append(want, l.gnu)
	}
	fn.Ret()
	want = append(want, "ret")

	dir := t.TempDir()
	main := "package main\n\nfunc main() { edges() }\n"
	stub := bytes.Replace(f.Stub(), []byte("//go:build !purego"), []byte("//go:build arm64"), 1)
	for name, text := range map[string][]byte{"go.mod": []byte("module edges\n\ngo 1.26\n"), "main.go": []byte(main), "e_arm64.s": f.Asm(), "e_arm64.go": stub} {
		if err := os.WriteFile(filepath.Join(dir, name), text, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	build := exec.Command("go", "build", "-o", "edges", ".")
	build.Dir = dir
	build.Env = append(os.Environ(), "GOOS=linux", "GOARCH=arm64", "CGO_ENABLED=0", "GOFLAGS=", "GOWORK=off")
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("go build: %v\n%s", err, head(out))
	}
	out, err := exec.Command(objdump, "-d", "-z", "--disassemble=main.edges.abi0", filepath.Join(dir, "edges")).CombinedOutput()
	if err != nil {
		t.Fatalf("objdump: %v\n%s", err, head(out))
	}
	got := disassembly(out)
	if len(got) < len(want) {
		t.Fatalf("%d instructions, want %d", len(got), len(want))
	}
	bad := 0
	for i, w := range want {
		if got[i].text != w {
			t.Errorf("instruction %d is %08x %q, want %q", i, got[i].word, got[i].text, w)
			if bad++; bad > 30 {
				t.FailNow()
			}
		}
	}
	t.Logf("%d instructions", len(want))
}

// edges calls one method with every combination of edge operands that it accepts.
func edges(fn *Func, m reflect.Method) {
	vs := []V{0, 31, 5, 16, 15, 30}
	rs := []R{R0, R26, R7, R17}
	var call func(args []reflect.Value, nv, nr int)
	try := func(args []reflect.Value) {
		n := len(fn.lines)
		defer func() {
			if recover() != nil {
				fn.lines = fn.lines[:n]
			}
		}()
		m.Func.Call(args)
	}
	rotate := 0
	call = func(args []reflect.Value, nv, nr int) {
		i := len(args)
		if i == m.Type.NumIn() {
			try(args)
			return
		}
		next := func(v any, nv, nr int) { call(append(args[:i:i], reflect.ValueOf(v)), nv, nr) }
		if m.Type.IsVariadic() && i == m.Type.NumIn()-1 {
			for _, start := range []V{0, 5, 28, 31} {
				list := args[:i:i]
				for k := range 5 {
					list = append(list, reflect.ValueOf((start+V(k))%32))
					try(list)
				}
			}
			return
		}
		switch m.Type.In(i) {
		case reflect.TypeFor[V]():
			if nv > 0 && (strings.HasPrefix(m.Name, "Ld") || strings.HasPrefix(m.Name, "St")) {
				for _, last := range args {
					if v, ok := last.Interface().(V); ok {
						nv = int(v) + 1
					}
				}
				next(V(nv%32), nv, nr)
				return
			}
			if nv == 0 {
				for k := range vs {
					rotate = k
					next(vs[k], 1, nr)
				}
				return
			}
			next(vs[(rotate+nv)%len(vs)], nv+1, nr)
		case reflect.TypeFor[R]():
			if nr > 0 || nv > 0 {
				next(rs[(nv+nr+rotate)%len(rs)], nv, nr+1)
				return
			}
			for _, r := range append(rs, RSP) {
				next(r, nv, nr+1)
			}
		case reflect.TypeFor[Arr]():
			for a := B8; a <= D2; a++ {
				next(a, nv, nr)
			}
		case reflect.TypeFor[int]():
			for k := -1; k <= 64; k++ {
				next(k, nv, nr)
			}
			for _, k := range []int{-257, -256, -1040, -1024, 112, 240, 255, 256, 1008, 1024, 16380, 16384, 32760, 32768, 65520, 65536} {
				next(k, nv, nr)
			}
		case reflect.TypeFor[uint32]():
			for _, k := range []uint32{0, 1, 0x7f, 0x80, 0xff, 0x100, 0xab00, 0xff00, 0xffff, 0xab0000, 0xff000000, 0x80000000, 0x7fffffff, 0xffffffff, 0xffffff54,
				0xffff54ff, 0xff54ffff, 0xabff, 0xabffff, 0xffff5400, 0xff540000, 0xfffe, 0x00fe, 0xfeff, 0x3f800000, 0xbf800000, 0x40000000, 0xbf000000, 0x41f80000, 0x3e000000, 0x3f8c0000, 0x12345678} {
				next(k, nv, nr)
			}
		default:
			panic("no edge operands of type " + m.Type.In(i).String())
		}
	}
	call([]reflect.Value{reflect.ValueOf(fn)}, 0, 0)
}

var wordLine = regexp.MustCompile(`^\s*WORD \$0x([0-9a-f]{8}) // (.+)$`)

// TestCommitted compares every WORD of asm/*_arm64.s with its comment.
func TestCommitted(t *testing.T) {
	objdump := tool(t, "aarch64-linux-gnu-objdump")
	files, err := filepath.Glob("../../asm/*_arm64.s")
	if err != nil || len(files) == 0 {
		t.Fatalf("no asm/*_arm64.s (%v)", err)
	}
	for _, name := range files {
		t.Run(filepath.Base(name), func(t *testing.T) {
			text, err := os.ReadFile(name)
			if err != nil {
				t.Fatal(err)
			}
			var code []byte
			var want []string
			for i, l := range strings.Split(string(text), "\n") {
				m := wordLine.FindStringSubmatch(l)
				if m == nil {
					if strings.Contains(l, "WORD") {
						t.Errorf("line %d: %q is not WORD $0x........ // text", i+1, l)
					}
					continue
				}
				w, _ := strconv.ParseUint(m[1], 16, 32)
				code = binary.LittleEndian.AppendUint32(code, uint32(w))
				want = append(want, fmt.Sprintf("%d: %s", i+1, m[2]))
			}
			if len(code) == 0 {
				return
			}
			bin := filepath.Join(t.TempDir(), "words")
			if err := os.WriteFile(bin, code, 0o644); err != nil {
				t.Fatal(err)
			}
			out, err := exec.Command(objdump, "-D", "-z", "-b", "binary", "-m", "aarch64", bin).CombinedOutput()
			if err != nil {
				t.Fatalf("objdump: %v\n%s", err, head(out))
			}
			got := disassembly(out)
			if len(got) != len(want) {
				t.Fatalf("%d words, want %d", len(got), len(want))
			}
			for i, w := range want {
				if _, text, _ := strings.Cut(w, ": "); got[i].text != text {
					t.Errorf("line %s: the word is %q", w, got[i].text)
				}
			}
		})
	}
}

type decoded struct {
	word uint32
	text string
}

var dumpLine = regexp.MustCompile(`^\s*[0-9a-f]+:\s+([0-9a-f]{8})\s+(.+)$`)

func disassembly(out []byte) []decoded {
	var ds []decoded
	for l := range strings.SplitSeq(string(out), "\n") {
		m := dumpLine.FindStringSubmatch(l)
		if m == nil {
			continue
		}
		w, _ := strconv.ParseUint(m[1], 16, 32)
		text, _, _ := strings.Cut(m[2], "//")
		ds = append(ds, decoded{uint32(w), strings.Join(strings.Fields(text), " ")})
	}
	return ds
}

func tool(t *testing.T, name string) string {
	path, err := exec.LookPath(name)
	if err != nil {
		t.Skipf("%s is not installed (Debian package binutils-aarch64-linux-gnu)", name)
	}
	return path
}

func head(b []byte) []byte { return b[:min(len(b), 4000)] }

func panics(f func()) (did bool) {
	defer func() { did = recover() != nil }()
	f()
	return
}

func TestRegisters(t *testing.T) {
	fn := NewFile("a test", "p").Func("F", "()")
	vs := fn.AllocN(32)
	for i, v := range vs {
		if int(v) != i {
			t.Fatalf("register %d is %v", i, v)
		}
	}
	if !panics(func() { fn.Alloc() }) {
		t.Error("a 33rd vector register")
	}
	fn.Free(V7, V3)
	if !panics(func() { fn.Free(V7) }) {
		t.Error("V7 freed twice")
	}
	if v := fn.Alloc(); v != V3 {
		t.Errorf("Alloc gave %v, want V3", v)
	}
	if !panics(func() { fn.Take(V3) }) {
		t.Error("V3 taken twice")
	}
	fn.Take(V7)
	n := 0
	for !panics(func() {
		if r := fn.AllocR(); r == 18 || r > 26 {
			t.Errorf("AllocR gave register %d", uint8(r))
		}
	}) {
		n++
	}
	if n != 26 {
		t.Errorf("%d integer registers, want 26", n)
	}
	for _, bad := range []string{"MOVD R18, R0", "ADD $1, R27", "MOVD g, R1", "MOVD (R28), R1"} {
		if !panics(func() { fn.T("%s", bad) }) {
			t.Errorf("%s was accepted", bad)
		}
	}
}

// TestVet builds a file with arguments of every kind and asks go vet to check the frame.
func TestVet(t *testing.T) {
	f := NewFile("a test", "p")
	f.Const("Rows", 4, "Rows is a constant.")
	f.DataF("table", []float32{1, 2, 3, 4})
	fn := f.Func("Kinds", "(p *float32, a int32, b uint8, c float32, s []int16, n int, d float64, h, g int16) (r int, q float32, w bool)", "Kinds has an argument of every kind.")
	for _, n := range []string{"p", "a", "b", "s_base", "s_len", "s_cap", "n", "h", "g"} {
		fn.LoadArg(n, R0)
	}
	fn.LoadArgF("c", V0)
	fn.LoadArgF("d", V1)
	fn.DataAddr("table", R1)
	fn.LdrQ(V2, R1, 0)
	fn.ConstF(V3, 1.25, R2)
	fn.ConstF(V3, 0.1, R2)
	fn.Comment("a comment")
	fn.Label("end")
	fn.StoreRet(R0, "r")
	fn.StoreRetF(V0, "q")
	fn.StoreRet(R0, "w")
	fn.Ret()
	fn = f.Func("Unnamed", "(n int) float32")
	fn.LoadArg("n", R0)
	fn.StoreRetF(V0, "ret")
	fn.Ret()
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "go.mod"), []byte("module p\n\ngo 1.26\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	if err := f.WriteFiles(dir, "kinds"); err != nil {
		t.Fatal(err)
	}
	vet := exec.Command("go", "vet", ".")
	vet.Dir = dir
	vet.Env = append(os.Environ(), "GOOS=linux", "GOARCH=arm64", "CGO_ENABLED=0", "GOFLAGS=", "GOWORK=off")
	if out, err := vet.CombinedOutput(); err != nil {
		t.Fatalf("go vet: %v\n%s\n%s", err, head(out), f.Asm())
	}
}
