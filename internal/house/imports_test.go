package house_test

import (
	"bytes"
	"encoding/json"
	"io"
	"path"
	"slices"
	"strings"
	"testing"
)

// A rule says what a package may import beside what is listed for std. Paths without a dot in their first element are below the module.
type rule struct {
	pkg   string   // a pattern of path.Match, or a prefix that ends in "/..."
	allow []string // likewise
	std   []string // packages of the standard library; nil means all
}

const cpuid = "github.com/klauspost/cpuid/v2"

// rules is the table of docs/README.md, first match first.
var rules = []rule{
	{"asm", nil, []string{}},
	{"kernels/ref", nil, []string{"math"}},
	{"kernels/ktest", []string{"kernels", "kernels/ref", "internal/pages"}, nil},
	{"kernels/opencl", []string{"kernels", "kernels/ref", "github.com/ebitengine/purego"}, nil},
	{"kernels", []string{"asm", "kernels/ref", "internal/pages", cpuid, "golang.org/x/sys/cpu"}, nil},
	{"model/tensor", []string{"internal/pages"}, nil},
	{"model/layer", []string{"model/tensor", "kernels", "kernels/ref"}, nil},
	{"model/onnx", []string{"model", "model/layer", "model/tensor", "google.golang.org/protobuf/encoding/protowire"}, nil},
	{"model/slide", []string{"model", "model/layer", "model/tensor"}, nil},
	{"model/train", []string{"model", "model/layer", "model/tensor", "model/train/data", "kernels"}, nil},
	{"model/train/data", []string{"model", "model/tensor", "kernels", "golang.org/x/image/..."}, nil},
	{"model/train/finetune", []string{"model", "model/layer", "model/tensor", "model/onnx", "model/task/card", "model/task/metric", "model/train", "model/train/data"}, nil},
	{"model/train/...", []string{"model", "model/layer", "model/tensor", "model/train", "model/train/...", "kernels", "github.com/goccy/go-yaml"}, nil},
	{"model/quant", []string{"model", "model/layer", "model/tensor", "kernels"}, nil},
	{"model/zoo", nil, nil},
	{"model/task/...", []string{"model", "model/tensor", "model/task/...", "kernels"}, nil},
	{"model/zoo/...", []string{"model", "model/layer", "model/tensor", "model/onnx", "model/zoo/..."}, nil},
	{"model", []string{"model/layer", "model/tensor", "kernels"}, nil},
	{"camera", nil, nil},
	{"camera/pipeline", []string{"camera"}, nil},
	{"camera/track", []string{"camera"}, nil},
	{"camera/*", []string{"camera", "*.*/..."}, nil},
	{"cmd/...", []string{"kernels", "kernels/ref", "kernels/opencl", "model/...", "model", "camera/...", "camera", "cmd/...", "internal/pages", "*.*/..."}, nil},
	{"internal/device/...", []string{"internal/device", "internal/device/...", "camera", "camera/v4l2", "model", "model/...", "kernels", "golang.org/x/sys/unix"}, nil},
	{"internal/...", nil, nil},
	{"packaging", nil, nil},
	// The module of the generators.
	{"gen/neon", nil, nil},
	{"gen", nil, nil},
	{"gen/...", []string{"gen/...", "github.com/mmcloughlin/avo/...", "golang.org/x/tools/..."}, nil},
}

// matches says whether an import path fits a pattern.
func matches(pattern, pkg string) bool {
	if prefix, deep := strings.CutSuffix(pattern, "/..."); deep {
		n := strings.Count(prefix, "/") + 1
		parts := strings.Split(pkg, "/")
		if len(parts) <= n {
			return false
		}
		pattern, pkg = prefix, strings.Join(parts[:n], "/")
	}
	ok, err := path.Match(pattern, pkg)
	return err == nil && ok
}

// listed is what "go list -json" says of a package.
type listed struct {
	ImportPath string
	Standard   bool
	Imports    []string
}

// list returns the packages of a module and all that they depend on.
func list(t *testing.T, dir string, env []string, flags ...string) []listed {
	t.Helper()
	args := append([]string{"list", "-deps", "-json=ImportPath,Standard,Imports"}, flags...)
	d := json.NewDecoder(bytes.NewReader(goCommand(t, dir, env, append(args, "./...")...)))
	var all []listed
	for {
		var p listed
		if err := d.Decode(&p); err == io.EOF {
			return all
		} else if err != nil {
			t.Fatal(err)
		}
		all = append(all, p)
	}
}

func TestImports(t *testing.T) {
	for _, arch := range architectures {
		checkImports(t, list(t, root, target(arch)))
	}
	checkImports(t, list(t, root, target("amd64"), "-tags=purego"))
	checkImports(t, list(t, root+"/gen", nil))
}

func checkImports(t *testing.T, packages []listed) {
	t.Helper()
	standard := map[string]bool{"C": true, "unsafe": true}
	for _, p := range packages {
		if p.Standard {
			standard[p.ImportPath] = true
		}
	}
	for _, p := range packages {
		rel, ours := strings.CutPrefix(p.ImportPath, module+"/")
		if !ours {
			continue
		}
		i := slices.IndexFunc(rules, func(r rule) bool { return matches(r.pkg, rel) })
		if i < 0 {
			t.Errorf("%s: no rule says what it may import", rel)
			continue
		}
		r := rules[i]
		drivers := map[string]bool{}
		for _, imported := range p.Imports {
			if standard[imported] {
				if r.std != nil && !slices.Contains(r.std, imported) {
					t.Errorf("%s must not import %s", rel, imported)
				}
				continue
			}
			imported = strings.TrimPrefix(imported, module+"/")
			if !slices.ContainsFunc(r.allow, func(a string) bool { return matches(a, imported) }) {
				t.Errorf("%s must not import %s", rel, imported)
			}
			if strings.Contains(strings.Split(imported, "/")[0], ".") {
				drivers[strings.Join(strings.SplitN(imported, "/", 4)[:min(3, strings.Count(imported, "/")+1)], "/")] = true
			}
		}
		if strings.HasPrefix(rel, "camera/") && len(drivers) > 1 {
			t.Errorf("%s imports more than one driver: %v", rel, drivers)
		}
	}
}

func TestImportRulesMatch(t *testing.T) {
	for _, c := range []struct {
		pattern, pkg string
		want         bool
	}{
		{"kernels", "kernels", true},
		{"kernels", "kernels/ref", false},
		{"camera/*", "camera/v4l2", true},
		{"camera/*", "camera", false},
		{"model/task/...", "model/task/face", true},
		{"model/task/...", "model/task", false},
		{"cmd/...", "cmd/ocellus/internal/doctor", true},
		{"*.*/...", "github.com/spf13/cobra", true},
		{"*.*/...", "asm", false},
		{"*.*/...", "kernels/ref", false},
	} {
		if got := matches(c.pattern, c.pkg); got != c.want {
			t.Errorf("matches(%q, %q) = %v", c.pattern, c.pkg, got)
		}
	}
}
