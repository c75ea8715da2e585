// Package packaging_test makes packages for Debian, and installs, upgrades, removes and purges them in a folder.
package packaging_test

import (
	"bytes"
	"context"
	"crypto/sha256"
	"errors"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"syscall"
	"testing"
	"time"
)

// need skips the test where a program is missing.
func need(t *testing.T, programs ...string) {
	t.Helper()
	if testing.Short() {
		t.Skip("packages are made")
	}
	for _, p := range programs {
		if _, err := exec.LookPath(p); err != nil {
			t.Skipf("%s is not here (Debian has it)", p)
		}
	}
}

// command runs a command and returns its standard output.
func command(t *testing.T, env []string, args ...string) string {
	t.Helper()
	out, err := try(t, env, args...)
	if err != nil {
		t.Fatalf("%q: %v\n%s", args, err, out)
	}
	return out
}

// try runs a command; where it fails its standard error is returned too.
func try(t *testing.T, env []string, args ...string) (string, error) {
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Minute)
	defer cancel()
	cmd := exec.CommandContext(ctx, args[0], args[1:]...)
	cmd.Env = append(os.Environ(), env...)
	var out, errs bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &errs
	err := cmd.Run()
	if err != nil {
		out.Write(errs.Bytes())
	}
	return out.String(), err
}

// quick compresses little.
var quick = []string{"DPKG_DEB_COMPRESSOR_TYPE=gzip", "DPKG_DEB_COMPRESSOR_LEVEL=1"}

// deb makes a package and returns its file.
func deb(t *testing.T, from, arch, version string) string {
	t.Helper()
	out := command(t, append(quick, "DEB_VERSION="+version), "./deb.sh", arch, from, t.TempDir())
	return strings.TrimSpace(out)
}

// programs returns a folder of programs that say what they are asked: what is packed is not what is tested.
func programs(t *testing.T, mode fs.FileMode) string {
	t.Helper()
	dir := t.TempDir()
	for _, arch := range []string{"amd64", "arm64", "arm", runtime.GOARCH} {
		for _, p := range []string{"ocellus", "ocellusd"} {
			write(t, filepath.Join(dir, p+"-linux-"+arch), "#!/bin/sh\necho "+p+" \"$@\"\n", mode)
		}
	}
	return dir
}

func write(t *testing.T, path, text string, mode fs.FileMode) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(text), mode); err != nil {
		t.Fatal(err)
	}
}

func read(t *testing.T, path string) string {
	t.Helper()
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

// TestSameBytes makes each package twice, of programs that are not the same files, under another umask and at another time.
func TestSameBytes(t *testing.T) {
	need(t, "bash", "dpkg-deb", "git")
	var sums [2]map[string][32]byte
	for i := range sums {
		from := programs(t, []fs.FileMode{0o755, 0o700}[i])
		sums[i] = map[string][32]byte{}
		for arch, debian := range map[string]string{"amd64": "amd64", "arm64": "arm64", "arm": "armhf"} {
			file := deb(t, from, arch, "")
			if got := strings.TrimSpace(command(t, nil, "dpkg-deb", "--field", file, "Architecture")); got != debian {
				t.Errorf("%s is for %s", file, got)
			}
			sums[i][filepath.Base(file)] = sha256.Sum256([]byte(read(t, file)))
		}
		defer syscall.Umask(syscall.Umask(0o077))
		time.Sleep(time.Second) // times of files are in seconds
	}
	if len(sums[0]) != 3 {
		t.Errorf("packages share a name: %v", sums[0])
	}
	for name, sum := range sums[0] {
		if sums[1][name] != sum {
			t.Errorf("%s differs from one time to the next", name)
		}
	}
	if out, err := try(t, nil, "./deb.sh", "riscv64", ".", t.TempDir()); err == nil || !strings.Contains(out, "no Debian package") {
		t.Errorf("riscv64: %v, %s", err, out)
	}
}

// TestLife installs a package, upgrades it, removes it and purges it, in a folder, with Debian's own tools.
func TestLife(t *testing.T) {
	need(t, "bash", "dpkg", "dpkg-deb")
	if os.Geteuid() != 0 {
		t.Skip("the package makes a user, for which root is needed also in a folder")
	}
	old := deb(t, programs(t, 0o755), "arm64", "1")
	unpacked := filepath.Join(t.TempDir(), "x")
	command(t, nil, "dpkg-deb", "--raw-extract", old, unpacked)
	for file, change := range map[string][2]string{"DEBIAN/control": {"Version: 1", "Version: 2"}, "etc/ocellus/ocellusd.yaml": {"name: street", "name: another"}} {
		path := filepath.Join(unpacked, file)
		write(t, path, strings.Replace(read(t, path), change[0], change[1], 1), 0o644)
	}
	fresh := filepath.Join(t.TempDir(), "fresh.deb")
	command(t, quick, "dpkg-deb", "--root-owner-group", "--build", unpacked, fresh)

	root := t.TempDir()
	write(t, filepath.Join(root, "var/lib/dpkg/status"), "", 0o644)
	for _, dir := range []string{"var/lib/dpkg/info", "var/lib/dpkg/updates"} {
		if err := os.MkdirAll(filepath.Join(root, dir), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	write(t, filepath.Join(root, "etc/passwd"), "root:x:0:0:root:/root:/bin/sh\n", 0o644)
	write(t, filepath.Join(root, "etc/group"), "root:x:0:\n", 0o644)
	dpkg := func(args ...string) {
		t.Helper()
		command(t, []string{"DEBIAN_FRONTEND=noninteractive"}, append([]string{"dpkg", "--root=" + root, "--log=/dev/null", "--force-script-chrootless",
			"--force-bad-path", "--force-architecture", "--force-confdef", "--force-confold"}, args...)...)
	}
	settings, data := filepath.Join(root, "etc/ocellus/ocellusd.yaml"), filepath.Join(root, "var/lib/ocellus/ocellus.db")
	is := func(there bool, files ...string) {
		t.Helper()
		for _, f := range files {
			if _, err := os.Lstat(filepath.Join(root, f)); (err == nil) != there {
				t.Errorf("%s: %v", f, err)
			}
		}
	}

	dpkg("--install", old)
	is(true, "usr/bin/ocellus", "lib/systemd/system/ocellusd.service", "usr/share/bash-completion/completions/ocellusd", "usr/share/zsh/vendor-completions/_ocellus",
		"usr/share/ocellus/ocellusd.schema.json", "usr/share/doc/ocellus/docs/daemon.md", "usr/share/doc/ocellus/licences.gz", "usr/share/doc/ocellus/copyright")
	if !strings.Contains(read(t, filepath.Join(root, "etc/passwd")), "\nocellus:") {
		t.Error("there is no user ocellus")
	}
	if info, err := os.Stat(settings); err != nil || info.Mode().Perm() != 0o640 {
		t.Errorf("the settings: %v, %v", info.Mode(), err)
	}
	if _, err := exec.LookPath("deb-systemd-helper"); err == nil {
		is(true, "etc/systemd/system/multi-user.target.wants/ocellusd.service")
	}
	if out := command(t, nil, filepath.Join(root, "usr/bin/ocellusd"), "version"); out != "ocellusd version\n" {
		t.Errorf("%q is said by the program", out)
	}

	mine := strings.Replace(read(t, settings), "seed=7", "seed=8", 1)
	write(t, settings, mine, 0o640)
	write(t, data, "seen", 0o600)
	dpkg("--install", fresh)
	if got := read(t, settings); got != mine {
		t.Errorf("after the upgrade the settings are\n%s", got)
	}
	if got := read(t, data); got != "seen" {
		t.Errorf("after the upgrade the data are %q", got)
	}
	dpkg("--remove", "ocellus")
	is(false, "usr/bin/ocellusd", "lib/systemd/system/ocellusd.service")
	if read(t, settings) != mine || read(t, data) != "seen" {
		t.Error("removing the package changed settings or data")
	}
	dpkg("--purge", "ocellus")
	for _, path := range []string{filepath.Dir(settings), filepath.Dir(data)} {
		if _, err := os.Stat(path); !errors.Is(err, fs.ErrNotExist) {
			t.Errorf("after a purge there is %s: %v", path, err)
		}
	}
	if out := command(t, nil, "find", root, "-name", "*ocellus*", "!", "-path", "*/dpkg/*"); out != "" {
		t.Errorf("after a purge there is\n%s", out)
	}
}

// TestUnit asks systemd what it thinks of the unit: whether it is right, and how much of the computer it lays open.
func TestUnit(t *testing.T) {
	need(t, "systemd-analyze")
	if out := command(t, nil, "systemd-analyze", "--version"); !strings.HasPrefix(out, "systemd 25") && !strings.HasPrefix(out, "systemd 26") {
		t.Skip("systemd is older than 250: " + strings.SplitN(out, "\n", 2)[0])
	}
	out, err := try(t, nil, "systemd-analyze", "security", "--offline=true", "--no-pager", "--threshold=20", "ocellusd.service")
	if err != nil {
		t.Errorf("%v\n%s", err, out)
	}
	lines := strings.Split(strings.TrimSpace(out), "\n")
	t.Log(lines[len(lines)-1])

	// systemd-analyze verify asks for the program.
	unit := filepath.Join(t.TempDir(), "ocellusd.service")
	write(t, unit, strings.Replace(read(t, "ocellusd.service"), "/usr/bin/ocellusd", "/bin/true", 1), 0o644)
	if out, err := exec.Command("systemd-analyze", "verify", "--recursive-errors=no", unit).CombinedOutput(); err != nil || strings.Contains(string(out), unit) {
		t.Errorf("%v: %s", err, out)
	}
}
