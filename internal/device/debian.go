// Package device boots an emulated ARM computer with cameras: Debian's kernel for arm64 under qemu-system-aarch64, in which the kernel's own
// drivers make /dev/videoN of a test pattern (vivid) and of an emulated USB camera (package usbcam). It needs no root and no network in the guest.
package device

import (
	"archive/tar"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
)

// Kernel is a kernel for arm64 and those of its modules that cameras may need.
type Kernel struct {
	Image   string            // the path of the kernel
	Modules map[string]string // paths by name, with _ for -
}

const (
	release  = "bookworm"
	keyring  = "/usr/share/keyrings/debian-archive-keyring.gpg"
	metaName = "linux-image-arm64" // depends on the newest kernel
	sources  = "deb [signed-by=" + keyring + "] http://deb.debian.org/debian " + release + " main\n" +
		"deb [signed-by=" + keyring + "] http://deb.debian.org/debian-security " + release + "-security main\n"
)

var kernelName = regexp.MustCompile(`linux-image-[0-9][^ ]*-arm64`)

// MissingError says why this machine cannot get a kernel, as opposed to a failure of what is tested.
type MissingError struct{ err error }

func (e *MissingError) Error() string { return e.err.Error() }
func (e *MissingError) Unwrap() error { return e.err }

// DebianKernel returns Debian's kernel, from a folder of the user's cache or else from Debian's archive by apt, which checks signatures.
func DebianKernel(ctx context.Context) (*Kernel, error) {
	cache, err := os.UserCacheDir()
	if err != nil {
		return nil, &MissingError{err}
	}
	dir := filepath.Join(cache, "ocellus", "device", release)
	if k, err := cached(dir); err == nil {
		return k, nil
	}
	for _, program := range []string{"apt-get", "apt-cache", "dpkg-deb"} {
		if _, err := exec.LookPath(program); err != nil {
			return nil, &MissingError{fmt.Errorf("the kernel comes from Debian by %s, which is not here", program)}
		}
	}
	if _, err := os.Stat(keyring); err != nil {
		return nil, &MissingError{fmt.Errorf("no keys of Debian's archive (sudo apt install debian-archive-keyring): %w", err)}
	}
	if err := os.MkdirAll(filepath.Dir(dir), 0o777); err != nil {
		return nil, &MissingError{err}
	}
	tmp, err := os.MkdirTemp(filepath.Dir(dir), "new")
	if err != nil {
		return nil, &MissingError{err}
	}
	defer os.RemoveAll(tmp)
	deb, err := download(ctx, filepath.Join(tmp, "apt"))
	if err != nil {
		return nil, &MissingError{err}
	}
	unpacked := filepath.Join(tmp, release)
	if err := unpack(ctx, deb, unpacked); err != nil {
		return nil, &MissingError{err}
	}
	if err := os.RemoveAll(dir); err != nil {
		return nil, &MissingError{err}
	}
	if err := os.Rename(unpacked, dir); err != nil && !errors.Is(err, os.ErrExist) {
		return nil, &MissingError{err}
	}
	return cached(dir)
}

// cached returns the kernel that unpack wrote.
func cached(dir string) (*Kernel, error) {
	k := &Kernel{Image: filepath.Join(dir, "vmlinuz"), Modules: map[string]string{}}
	if _, err := os.Stat(k.Image); err != nil {
		return nil, err
	}
	paths, err := filepath.Glob(filepath.Join(dir, "modules", "*.ko"))
	for _, p := range paths {
		k.Modules[moduleName(p)] = p
	}
	if err == nil && k.Modules["virtio_net"] == "" {
		err = fmt.Errorf("%s lacks modules", dir)
	}
	return k, err
}

// moduleName returns the name of the module in a file: - and _ are the same there.
func moduleName(file string) string {
	return strings.ReplaceAll(strings.TrimSuffix(filepath.Base(file), ".ko"), "-", "_")
}

// download fetches the kernel's package with an apt that has folders of its own and believes to be on arm64.
func download(ctx context.Context, dir string) (deb string, err error) {
	for _, d := range []string{"lists/partial", "cache/archives/partial"} {
		if err := os.MkdirAll(filepath.Join(dir, d), 0o777); err != nil {
			return "", err
		}
	}
	list, status := filepath.Join(dir, "sources.list"), filepath.Join(dir, "status")
	if err := errors.Join(os.WriteFile(list, []byte(sources), 0o666), os.WriteFile(status, nil, 0o666)); err != nil {
		return "", err
	}
	apt := func(program string, args ...string) ([]byte, error) {
		options := []string{"-qq"}
		for _, o := range []string{
			"Dir::State=" + dir, "Dir::State::lists=" + filepath.Join(dir, "lists"), "Dir::State::status=" + status,
			"Dir::Cache=" + filepath.Join(dir, "cache"), "Dir::Etc::SourceList=" + list, "Dir::Etc::SourceParts=/dev/null",
			"APT::Architecture=arm64", "APT::Architectures=arm64", "APT::Sandbox::User=root", // its own user may not enter this folder
			"Acquire::Languages=none", "Acquire::Retries=2", "Acquire::http::Timeout=30",
		} {
			options = append(options, "-o", o)
		}
		cmd := exec.CommandContext(ctx, program, append(options, args...)...)
		cmd.Dir = dir
		var stderr bytes.Buffer
		cmd.Stderr = &stderr
		out, err := cmd.Output()
		if err != nil {
			return nil, fmt.Errorf("%s %s: %w: %s", program, args[0], err, bytes.TrimSpace(stderr.Bytes()))
		}
		return out, nil
	}
	if _, err := apt("apt-get", "update"); err != nil {
		return "", err
	}
	about, err := apt("apt-cache", "show", metaName)
	if err != nil {
		return "", err
	}
	name := kernelName.Find(about) // of the newest version, which comes first
	if name == nil {
		return "", fmt.Errorf("%s names no kernel", metaName)
	}
	if _, err := apt("apt-get", "download", string(name)); err != nil {
		return "", err
	}
	found, err := filepath.Glob(filepath.Join(dir, "*.deb"))
	if err != nil || len(found) != 1 {
		return "", fmt.Errorf("apt-get download left %d packages: %v", len(found), err)
	}
	return found[0], nil
}

// folders have the modules of cameras, USB and the emulated network.
var folders = []string{"/drivers/media/", "/drivers/usb/", "/drivers/virtio/", "/drivers/net/virtio_net.ko", "/drivers/net/net_failover.ko", "/net/core/failover.ko"}

// unpack writes the kernel and the modules in folders of a package.
func unpack(ctx context.Context, deb, dir string) error {
	if err := os.MkdirAll(filepath.Join(dir, "modules"), 0o777); err != nil {
		return err
	}
	cmd := exec.CommandContext(ctx, "dpkg-deb", "--fsys-tarfile", deb)
	out, err := cmd.StdoutPipe()
	if err != nil {
		return err
	}
	if err := cmd.Start(); err != nil {
		return err
	}
	err = unpackFiles(tar.NewReader(out), dir)
	if err != nil {
		cmd.Process.Kill()
	}
	return errors.Join(err, cmd.Wait())
}

func unpackFiles(files *tar.Reader, dir string) error {
	for {
		h, err := files.Next()
		if err == io.EOF {
			return nil
		}
		if err != nil {
			return err
		}
		var to string
		switch name := path.Clean(h.Name); {
		case strings.HasPrefix(name, "boot/vmlinuz-"):
			to = filepath.Join(dir, "vmlinuz")
		case strings.HasSuffix(name, ".ko") && slices.ContainsFunc(folders, func(f string) bool { return strings.Contains(name, f) }):
			to = filepath.Join(dir, "modules", moduleName(name)+".ko")
		default:
			continue
		}
		b, err := io.ReadAll(files)
		if err == nil {
			err = os.WriteFile(to, b, 0o666)
		}
		if err != nil {
			return err
		}
	}
}

// LoadOrder returns the modules that the wanted ones need, and those themselves, each after all that it needs.
func (k *Kernel) LoadOrder(wanted ...string) ([]string, error) {
	var order []string
	var visit func(name string) error
	visit = func(name string) error {
		if slices.Contains(order, name) {
			return nil
		}
		file, ok := k.Modules[name]
		if !ok {
			return fmt.Errorf("the kernel has no module %s", name)
		}
		needs, err := moduleNeeds(file)
		if err != nil {
			return err
		}
		for _, n := range needs {
			if err := visit(n); err != nil {
				return fmt.Errorf("%s: %w", name, err)
			}
		}
		order = append(order, name)
		return nil
	}
	for _, name := range wanted {
		if err := visit(name); err != nil {
			return nil, err
		}
	}
	return order, nil
}
