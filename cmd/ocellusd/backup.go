package main

import (
	"archive/tar"
	"cmp"
	"compress/gzip"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"

	"github.com/spf13/cobra"

	"github.com/ocellus-vision/ocellus/cmd/internal/cli"
	"github.com/ocellus-vision/ocellus/cmd/ocellusd/internal/store"
)

func newBackup(p *place) *cobra.Command {
	return &cobra.Command{
		Use:   "backup FILE.tar.gz",
		Short: "Write all that is kept to one file, also while the daemon runs",
		Long: `Backup writes the database, snapshots, networks and keys to one file that only its
owner can read. It holds the key under which faces are encrypted: keep it as safe as
the device. The file may lie in the data folder, but is safer on another disk. Backups
that lie in the data folder are left out. What backups that were killed left beside FILE
is removed.`,
		Args: cobra.ExactArgs(1),
		RunE: verb(func(cmd *cobra.Command, args []string) error {
			dir, err := p.folder()
			if err != nil {
				return err
			}
			if err := sweep(filepath.Dir(args[0])); err != nil {
				fmt.Fprintf(cmd.ErrOrStderr(), "ocellusd: what a backup that was killed left is still there: %v: remove it\n", err)
			}
			ctx, cancel := cli.Interruptible(cmd.Context())
			defer cancel()
			n, err := backup(ctx, dir, args[0])
			if err == nil {
				_, err = fmt.Fprintf(cmd.OutOrStdout(), "%s holds %d files of %s\n", args[0], n, dir)
			}
			return err
		}),
	}
}

func newRestore(p *place) *cobra.Command {
	return &cobra.Command{
		Use:   "restore FILE.tar.gz",
		Short: "Make a data folder of what backup wrote",
		Long: `Restore makes the data folder, which must be empty or not be there, of a file that
backup wrote.`,
		Args: cobra.ExactArgs(1),
		RunE: verb(func(cmd *cobra.Command, args []string) error {
			dir, err := p.folder()
			if err != nil {
				return err
			}
			n, err := restore(args[0], dir)
			if err == nil {
				_, err = fmt.Fprintf(cmd.OutOrStdout(), "%s holds %d files again\n", dir, n)
			}
			return err
		}),
	}
}

// unfinished begins the names of folders in which backups that are being written, or were killed, keep a copy of the database.
const unfinished = ".ocellusd-backup-"

// beside makes a folder of a backup in another, which is in use until done is called. done removes it.
func beside(dir string) (path string, done func(), err error) {
	for {
		if path, err = os.MkdirTemp(dir, unfinished); err != nil {
			return "", nil, err
		}
		held, err := hold(path)
		if errors.Is(err, fs.ErrNotExist) || errors.Is(err, errHeld) {
			continue // another backup took it for one that was left, before it was held
		}
		return path, func() {
			os.RemoveAll(path)
			if err == nil { // else this disk knows no locks
				held.Close()
			}
		}, nil
	}
}

// errHeld says that a backup uses a folder.
var errHeld = errors.New("a backup uses it")

// hold has a folder be in use until what it returns is closed.
func hold(path string) (*os.File, error) {
	f, err := os.OpenFile(filepath.Join(path, "lock"), os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return nil, err
	}
	if err = syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB); errors.Is(err, syscall.EWOULDBLOCK) {
		err = errHeld
	}
	if err == nil {
		_, err = os.Lstat(path) // it may have been removed before it was held
	}
	if err != nil {
		f.Close()
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	return f, nil
}

// sweep removes from a folder what backups that were killed left in it.
func sweep(dir string) error {
	entries, err := os.ReadDir(dir)
	if err != nil {
		return nil // that nothing can be written there shows when it is
	}
	var failed []error
	for _, e := range entries {
		if !e.IsDir() || !strings.HasPrefix(e.Name(), unfinished) {
			continue
		}
		path := filepath.Join(dir, e.Name())
		held, err := hold(path)
		if err == nil {
			err = os.RemoveAll(path)
			held.Close()
		}
		if err != nil && !errors.Is(err, errHeld) && !errors.Is(err, fs.ErrNotExist) {
			failed = append(failed, err)
		}
	}
	return errors.Join(failed...)
}

// passing are files of the data folder that are not kept: those of the running daemon, and the database itself, of which a copy is.
func passing(name string) bool {
	return name == "lock" || strings.HasPrefix(name, store.File) || strings.HasPrefix(name, "teach/lesson") || strings.HasSuffix(name, ".new")
}

// isBackup says whether a file is what backup wrote: an archive whose first file is the database.
func isBackup(f io.Reader) bool {
	z, err := gzip.NewReader(f)
	if err != nil {
		return false
	}
	h, err := tar.NewReader(z).Next()
	return err == nil && h.Name == store.File
}

// backup writes a data folder to a file, which must not be there, and returns the number of files in it. Backups in the data folder are not among them.
func backup(ctx context.Context, dir, file string) (n int, err error) {
	if _, err := os.Stat(filepath.Join(dir, store.File)); err != nil {
		return 0, fmt.Errorf("there is nothing to back up: %w", err)
	}
	out, err := os.OpenFile(file, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o600)
	if err != nil {
		return 0, err
	}
	defer func() {
		if e := out.Close(); err == nil {
			err = e
		}
		if err != nil {
			os.Remove(file)
		}
	}()
	written, err := out.Stat()
	if err != nil {
		return 0, err
	}
	copied, done, err := beside(filepath.Dir(file))
	if err != nil {
		return 0, err
	}
	defer done()
	if err := store.Copy(ctx, dir, filepath.Join(copied, store.File)); err != nil {
		return 0, err
	}
	z := gzip.NewWriter(out)
	t := tar.NewWriter(z)
	n, err = pack(t, copied, store.File, written)
	if err != nil {
		return 0, err
	}
	err = filepath.WalkDir(dir, func(path string, entry fs.DirEntry, err error) error {
		if err = cmp.Or(err, ctx.Err()); err != nil {
			return err
		}
		if path != dir && entry.IsDir() && strings.HasPrefix(entry.Name(), unfinished) {
			return filepath.SkipDir
		}
		name, err := filepath.Rel(dir, path)
		if err != nil || !entry.Type().IsRegular() || passing(filepath.ToSlash(name)) {
			return err
		}
		packed, err := pack(t, dir, name, written)
		n += packed
		return err
	})
	return n, errors.Join(err, t.Close(), z.Close(), out.Sync())
}

// pack adds a file of a folder and returns 1. One that was removed meanwhile, the one that is being written, and other backups are left out: then it returns 0.
func pack(t *tar.Writer, dir, name string, written fs.FileInfo) (n int, err error) {
	f, err := os.Open(filepath.Join(dir, name))
	if errors.Is(err, fs.ErrNotExist) {
		return 0, nil
	}
	if err != nil {
		return 0, err
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil || os.SameFile(info, written) || isBackup(f) {
		return 0, err
	}
	if _, err := f.Seek(0, io.SeekStart); err != nil {
		return 0, err
	}
	if err := t.WriteHeader(&tar.Header{Name: filepath.ToSlash(name), Mode: 0o600, Size: info.Size(), ModTime: info.ModTime()}); err != nil {
		return 0, err
	}
	_, err = io.Copy(t, io.LimitReader(f, info.Size()))
	return 1, err
}

// restore makes a data folder of a file that backup wrote. A folder that could not be made whole is left empty.
func restore(file, dir string) (n int, err error) {
	in, err := os.Open(file)
	if err != nil {
		return 0, err
	}
	defer in.Close()
	if entries, err := os.ReadDir(dir); err == nil && slices.ContainsFunc(entries, func(e fs.DirEntry) bool { return e.Name() != "lock" }) {
		return 0, fmt.Errorf("%s is not empty: move it away, or name another folder with --data", dir)
	}
	unlock, err := lock(dir)
	if err != nil {
		return 0, err
	}
	defer unlock()
	root, err := os.OpenRoot(dir)
	if err != nil {
		return 0, err
	}
	defer root.Close()
	n, err = unpack(root, in)
	if err == nil {
		if _, err = root.Stat(store.File); err != nil {
			err = fmt.Errorf("%s is no backup: it has no %s", file, store.File)
		}
	}
	if err != nil {
		return 0, errors.Join(err, empty(root))
	}
	return n, nil
}

// unpack writes the files of an archive below a folder.
func unpack(root *os.Root, in io.Reader) (n int, err error) {
	z, err := gzip.NewReader(in)
	if err != nil {
		return 0, fmt.Errorf("this is no backup: %w", err)
	}
	t := tar.NewReader(z)
	for {
		h, err := t.Next()
		if err == io.EOF {
			return n, nil
		}
		if err != nil {
			return n, err
		}
		if h.Typeflag != tar.TypeReg || !filepath.IsLocal(filepath.FromSlash(h.Name)) || h.Name == "lock" {
			return n, fmt.Errorf("the backup holds %q, which is no file of a data folder", h.Name)
		}
		name := filepath.FromSlash(h.Name)
		if err := root.MkdirAll(filepath.Dir(name), 0o700); err != nil {
			return n, err
		}
		f, err := root.OpenFile(name, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o600)
		if err != nil {
			return n, err
		}
		_, err = io.Copy(f, t)
		if err := errors.Join(err, f.Sync(), f.Close(), root.Chtimes(name, h.ModTime, h.ModTime)); err != nil {
			return n, err
		}
		n++
	}
}

// empty removes all in a folder but the lock.
func empty(root *os.Root) error {
	entries, err := fs.ReadDir(root.FS(), ".")
	for _, e := range entries {
		if e.Name() != "lock" {
			err = errors.Join(err, root.RemoveAll(e.Name()))
		}
	}
	return err
}
