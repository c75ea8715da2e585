package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"os"
	"os/exec"
	"slices"
	"strings"
	"syscall"
	"testing"
	"unicode/utf8"

	"github.com/ocellus-vision/ocellus/cmd/internal/version"
	"github.com/ocellus-vision/ocellus/cmd/ocellus/internal/doctor"
	"github.com/ocellus-vision/ocellus/kernels"
)

// asProgram makes the test binary behave as the program, so that tests can start it with an environment of their own.
const asProgram = "OCELLUS_TEST_AS_PROGRAM"

func TestMain(m *testing.M) {
	if os.Getenv(asProgram) != "" {
		main()
	}
	os.Exit(m.Run())
}

// call runs one command line in this process.
func call(args ...string) (status int, stdout, stderr string) {
	var out, err bytes.Buffer
	status = run(args, &out, &err)
	return status, out.String(), err.String()
}

// start runs one command line in a process of its own.
func start(t *testing.T, env []string, args ...string) (status int, stdout, stderr string) {
	t.Helper()
	cmd, out, errOut := program(args...)
	cmd.Env = append(cmd.Env, env...)
	begin(t, cmd)
	var exit *exec.ExitError
	if err := cmd.Wait(); errors.As(err, &exit) {
		status = exit.ExitCode()
	} else if err != nil {
		t.Fatal(err)
	}
	return status, out.String(), errOut.String()
}

// program is one command line, to be run in a process of its own.
func program(args ...string) (cmd *exec.Cmd, stdout, stderr *bytes.Buffer) {
	cmd = exec.Command(os.Args[0], args...)
	stdout, stderr = new(bytes.Buffer), new(bytes.Buffer)
	cmd.Stdout, cmd.Stderr = stdout, stderr
	cmd.Env = append(os.Environ(), asProgram+"=1")
	return cmd, stdout, stderr
}

func begin(t *testing.T, cmd *exec.Cmd) {
	t.Helper()
	switch err := cmd.Start(); {
	case errors.Is(err, syscall.ENOEXEC):
		t.Skip("the emulated test cannot start a program of its own architecture")
	case err != nil:
		t.Fatal(err)
	}
}

func TestDoctorText(t *testing.T) {
	status, out, errOut := call("doctor")
	if status != 0 || errOut != "" {
		t.Errorf("status %d, stderr %q", status, errOut)
	}
	for op := range kernels.NumOps {
		if !hasFields(out, op.String(), kernels.Active(op).String()) {
			t.Errorf("no line for the family %s on %s", op, kernels.Active(op))
		}
	}
	for _, isa := range kernels.Available() {
		if !strings.Contains(out, "  "+isa.String()+" ") {
			t.Errorf("no line for the speed of %s", isa)
		}
	}
	for _, want := range []string{"GFLOP/s", "GB/s read", "ffmpeg", "opencv", "opencl", "camera"} {
		if !strings.Contains(out, want) {
			t.Errorf("%q is missing", want)
		}
	}
	for line := range strings.Lines(out) {
		line = strings.TrimSuffix(line, "\n")
		if utf8.RuneCountInString(line) > 80 && len(strings.Fields(line)) > 2 {
			t.Errorf("wider than 80 columns: %q", line)
		}
	}
	if t.Failed() {
		t.Log(out)
	}
}

// hasFields says whether a line of text starts with these words.
func hasFields(text string, words ...string) bool {
	for line := range strings.Lines(text) {
		f := strings.Fields(line)
		if len(f) >= len(words) && slices.Equal(f[:len(words)], words) {
			return true
		}
	}
	return false
}

// doctorJSON decodes the one object that doctor --json prints.
func doctorJSON(t *testing.T, out string) doctor.Report {
	t.Helper()
	var r doctor.Report
	d := json.NewDecoder(strings.NewReader(out))
	d.DisallowUnknownFields()
	if err := d.Decode(&r); err != nil {
		t.Fatalf("%v in %q", err, out)
	}
	if strings.Count(out, "\n") != 1 {
		t.Errorf("not one line: %q", out)
	}
	return r
}

func TestDoctorJSON(t *testing.T) {
	status, out, _ := call("doctor", "--json")
	r := doctorJSON(t, out)
	if status != 0 || !r.OK {
		t.Errorf("status %d, ok %v", status, r.OK)
	}
	if r.ISA.Chosen != kernels.Best().String() {
		t.Errorf("chosen %s, want %s", r.ISA.Chosen, kernels.Best())
	}
	if len(r.Kernels) != int(kernels.NumOps) {
		t.Errorf("%d families, want %d", len(r.Kernels), kernels.NumOps)
	}
	if len(r.Peaks) != len(kernels.Available()) {
		t.Errorf("peaks of %d instruction sets, want %d", len(r.Peaks), len(kernels.Available()))
	}
	for _, p := range r.Peaks {
		if p.GFLOPS <= 0 {
			t.Errorf("peak of %s: %g", p.ISA, p.GFLOPS)
		}
	}
	for i, b := range r.Memory.Bandwidth {
		if b.Read <= 0 || b.Copy <= 0 || i == 0 && b.Threads != 1 || i == 1 && b.Threads != r.CPU.MaxProcs {
			t.Errorf("bandwidth %+v", b)
		}
	}
	if r.CPU.Name == "" || r.CPU.Cores < 1 || r.Memory.PageBytes < 4096 || len(r.Memory.Bandwidth) == 0 {
		t.Errorf("%+v", r)
	}
	for _, h := range r.Helpers {
		if h.Found == (h.Hint != "") || h.Found && h.Detail == "" {
			t.Errorf("helper %+v: a hint where it is missing, a place where it is found", h)
		}
	}
}

func TestInstructionSetFromEnvironment(t *testing.T) {
	_, out, _ := start(t, []string{"OCELLUS_ISA=generic"}, "doctor", "--json")
	r := doctorJSON(t, out)
	if r.ISA.Chosen != "generic" || r.ISA.Warning != "" {
		t.Errorf("OCELLUS_ISA=generic: %+v", r.ISA)
	}
	for _, k := range r.Kernels {
		if k.ISA != "generic" {
			t.Errorf("OCELLUS_ISA=generic: %+v", k)
		}
	}
	status, out, _ := start(t, []string{"OCELLUS_ISA=mmx"}, "doctor")
	if status != 0 || !strings.Contains(out, "warning: OCELLUS_ISA") || !strings.Contains(out, `"mmx"`) {
		t.Errorf("OCELLUS_ISA=mmx: status %d, %s", status, out)
	}
}

func TestVersion(t *testing.T) {
	status, out, _ := call("version", "--json")
	var info version.Info
	if err := json.Unmarshal([]byte(out), &info); err != nil || status != 0 {
		t.Fatalf("status %d, %v: %q", status, err, out)
	}
	if info.Version == "" || !strings.HasPrefix(info.Go, "go") && !strings.HasPrefix(info.Go, "devel") {
		t.Errorf("%+v", info)
	}
	if _, out, _ = call("version"); !strings.HasPrefix(out, "ocellus "+info.Version+" ") {
		t.Errorf("version: %q", out)
	}
}

func TestCompletion(t *testing.T) {
	for _, shell := range []string{"bash", "zsh", "fish", "powershell"} {
		if status, out, _ := call("completion", shell); status != 0 || !strings.Contains(out, "ocellus") {
			t.Errorf("completion %s: status %d, %d bytes", shell, status, len(out))
		}
	}
}

func TestUsage(t *testing.T) {
	for _, c := range []struct {
		args   []string
		status int
		stderr string // part of
	}{
		{[]string{}, 0, ""},
		{[]string{"--help"}, 0, ""},
		{[]string{"help", "doctor"}, 0, ""},
		{[]string{"docter"}, 2, `did you mean "doctor"?`},
		{[]string{"doctor", "--jsno"}, 2, "unknown flag: --jsno"},
		{[]string{"completion", "tcsh"}, 2, `no completions for "tcsh"; the shells are bash, fish, powershell, zsh`},
		{[]string{"completion"}, 0, ""},
		{[]string{"help", "docter"}, 2, `unknown verb "docter"; did you mean "doctor"?`},
		{[]string{"help", "face", "lits"}, 2, `unknown verb "lits"`},
		{[]string{"help", "face", "list"}, 0, ""},
		{[]string{"doctor", "now"}, 2, "Run 'ocellus doctor --help' for usage."},
	} {
		status, out, errOut := call(c.args...)
		if status != c.status || !strings.Contains(errOut, c.stderr) {
			t.Errorf("%q: status %d, stderr %q", c.args, status, errOut)
		}
		if (out != "") != (status == 0) {
			t.Errorf("%q: stdout %q", c.args, out)
		}
	}
}
