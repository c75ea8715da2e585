package device

import (
	"bytes"
	"debug/elf"
	"fmt"
	"path"
	"strings"
)

// moduleNeeds returns the names of the modules that a module says it depends on.
func moduleNeeds(file string) ([]string, error) {
	f, err := elf.Open(file)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	s := f.Section(".modinfo")
	if s == nil {
		return nil, fmt.Errorf("%s is no kernel module", file)
	}
	info, err := s.Data()
	if err != nil {
		return nil, err
	}
	for field := range strings.SplitSeq(string(info), "\x00") {
		if list, ok := strings.CutPrefix(field, "depends="); ok && list != "" {
			return strings.Split(strings.ReplaceAll(list, "-", "_"), ","), nil
		}
	}
	return nil, nil
}

// Modes of files in an initramfs.
const (
	modeDir    = 0o040755
	modeFile   = 0o100644
	modeExec   = 0o100755
	modeDevice = 0o020600
)

// Initramfs is the file system that a kernel begins with: a cpio archive of the "newc" kind.
type Initramfs struct {
	b    bytes.Buffer
	n    int
	dirs map[string]bool
}

// File adds a file and the folders that it is in.
func (a *Initramfs) File(name string, data []byte, executable bool) {
	mode := modeFile
	if executable {
		mode = modeExec
	}
	a.dir(path.Dir(name))
	a.entry(name, mode, 0, 0, data)
}

// dir adds a folder and those that it is in: the kernel leaves out, without a word, what has no folder.
func (a *Initramfs) dir(name string) {
	if name == "." || name == "/" || a.dirs[name] {
		return
	}
	a.dir(path.Dir(name))
	if a.dirs == nil {
		a.dirs = map[string]bool{}
	}
	a.dirs[name] = true
	a.entry(name, modeDir, 0, 0, nil)
}

func (a *Initramfs) entry(name string, mode, major, minor int, data []byte) {
	a.n++
	a.b.WriteString("070701")
	for _, field := range []int{a.n, mode, 0, 0, 1, 0, len(data), 0, 0, major, minor, len(name) + 1, 0} {
		fmt.Fprintf(&a.b, "%08x", field)
	}
	a.b.WriteString(name + "\x00")
	a.pad()
	a.b.Write(data)
	a.pad()
}

func (a *Initramfs) pad() {
	for a.b.Len()%4 != 0 {
		a.b.WriteByte(0)
	}
}

// Bytes ends the archive and returns it: as it is, since an emulated processor would take longer to decompress it than this one takes to hand it over.
func (a *Initramfs) Bytes() []byte {
	for _, d := range []string{"dev", "proc", "sys", "tmp"} {
		a.dir(d)
	}
	a.entry("dev/console", modeDevice, 5, 1, nil)
	a.entry("TRAILER!!!", 0, 0, 0, nil)
	return a.b.Bytes()
}
