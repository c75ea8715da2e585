package main

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"context"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/ocellus-vision/ocellus/cmd/ocellusd/internal/store"
)

// TestBackup backs up a data folder that is in use, and makes another of it.
func TestBackup(t *testing.T) {
	dir := t.TempDir()
	data, copied, file := filepath.Join(dir, "data"), filepath.Join(dir, "copied"), filepath.Join(dir, "b.tar.gz")
	db, err := store.Open(data)
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	e := store.Event{Time: time.Now(), Camera: "door", Kind: store.Loitering}
	if err := db.AddEvent(t.Context(), &e, []byte("jpeg")); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(data, "device.key"), []byte("key"), 0o600); err != nil {
		t.Fatal(err)
	}
	if status, out, errs := say("backup", file, "--data", data); status != 0 || !strings.Contains(out, "3 files") {
		t.Fatalf("status %d, %s%s", status, out, errs)
	}
	if info, err := os.Stat(file); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("%v, %v", info.Mode(), err)
	}
	if status, _, errs := say("backup", file, "--data", data); status != 1 || !strings.Contains(errs, "exists") {
		t.Errorf("a file was written over: %d, %s", status, errs)
	}
	if status, _, errs := say("restore", file, "--data", data); status != 1 || !strings.Contains(errs, "not empty") {
		t.Errorf("a folder was written over: %d, %s", status, errs)
	}
	if status, _, errs := say("restore", file, "--data", copied); status != 0 {
		t.Fatalf("status %d, %s", status, errs)
	}
	again, err := store.Open(copied)
	if err != nil {
		t.Fatal(err)
	}
	defer again.Close()
	if got, err := again.Event(t.Context(), e.ID); err != nil || !got.Time.Equal(e.Time) {
		t.Errorf("%+v, %v", got, err)
	}
	if b, err := again.Snapshot(t.Context(), e.ID); err != nil || string(b) != "jpeg" {
		t.Errorf("%q, %v", b, err)
	}
	if b, err := os.ReadFile(filepath.Join(copied, "device.key")); err != nil || string(b) != "key" {
		t.Errorf("%q, %v", b, err)
	}
	if left, _ := filepath.Glob(filepath.Join(dir, ".ocellusd*")); left != nil {
		t.Errorf("%q is left", left)
	}
}

// TestBackupIntoDataFolder writes two backups into the data folder, where a third was killed. None holds a backup, or the database twice.
func TestBackupIntoDataFolder(t *testing.T) {
	dir := t.TempDir()
	data := filepath.Join(dir, "data")
	db, err := store.Open(data)
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	killed := filepath.Join(data, "backups", ".ocellusd-backup-123")
	if err := os.MkdirAll(killed, 0o700); err != nil {
		t.Fatal(err)
	}
	for path, text := range map[string]string{"device.key": "key", "notes.gz": "no archive", "backups/.ocellusd-backup-123/ocellus.db": "half a database"} {
		if err := os.WriteFile(filepath.Join(data, path), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	t.Chdir(filepath.Join(data, "backups"))
	for i, file := range []string{filepath.Join(data, "first.tar.gz"), "second"} {
		if status, out, errs := say("backup", file, "--data", data); status != 0 || !strings.Contains(out, "3 files") {
			t.Fatalf("status %d, %s%s", status, out, errs)
		}
		to := filepath.Join(dir, strconv.Itoa(i))
		if status, out, errs := say("restore", file, "--data", to); status != 0 || !strings.Contains(out, "3 files") {
			t.Fatalf("status %d, %s%s", status, out, errs)
		}
		var got []string
		err := fs.WalkDir(os.DirFS(to), ".", func(path string, entry fs.DirEntry, err error) error {
			if err == nil && !entry.IsDir() && path != "lock" {
				got = append(got, path)
			}
			return err
		})
		if want := []string{"device.key", "notes.gz", store.File}; err != nil || !slices.Equal(got, want) {
			t.Errorf("%s holds %q, %v; want %q", file, got, err, want)
		}
	}
}

// TestBackupSweeps leaves what backups that were killed leave, beside what others use or own: the next backup to that folder removes the former only.
func TestBackupSweeps(t *testing.T) {
	dir, data := t.TempDir(), t.TempDir()
	db, err := store.Open(data)
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	put := func(name string) {
		if err := os.MkdirAll(filepath.Join(dir, filepath.Dir(name)), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(dir, name), []byte("x"), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	used, done, err := beside(dir)
	if err != nil {
		t.Fatal(err)
	}
	put(filepath.Join(filepath.Base(used), store.File))
	put(".ocellusd-backup-1/" + store.File)
	put(".ocellusd-backup-2/" + store.File)
	put(".ocellusd-backup-2/lock") // which nobody holds
	put(".ocellusd-backup-notes")
	put("mine/" + store.File)
	entries := func() (names []string) {
		list, err := os.ReadDir(dir)
		if err != nil {
			t.Fatal(err)
		}
		for _, e := range list {
			names = append(names, e.Name())
		}
		return names
	}
	if status, _, errs := say("backup", filepath.Join(dir, "b.tar.gz"), "--data", data); status != 0 || errs != "" {
		t.Fatalf("status %d, %s", status, errs)
	}
	want := []string{".ocellusd-backup-notes", "b.tar.gz", "mine"}
	if got := entries(); !slices.Equal(got, slices.Sorted(slices.Values(append([]string{filepath.Base(used)}, want...)))) {
		t.Errorf("%q are left", got)
	}
	if b, err := os.ReadFile(filepath.Join(used, store.File)); err != nil || string(b) != "x" {
		t.Errorf("what a backup uses: %q, %v", b, err)
	}
	done()
	if got := entries(); !slices.Equal(got, want) {
		t.Errorf("%q are left of one that has ended", got)
	}
}

// TestBackupInterrupted ends a backup before it is done: nothing of it stays.
func TestBackupInterrupted(t *testing.T) {
	dir, data := t.TempDir(), t.TempDir()
	db, err := store.Open(data)
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := backup(ctx, data, filepath.Join(dir, "b.tar.gz")); !errors.Is(err, context.Canceled) {
		t.Error(err)
	}
	if left, err := os.ReadDir(dir); err != nil || len(left) > 0 {
		t.Errorf("%v are left, %v", left, err)
	}
}

// TestRestoreRefuses gives restore what is no backup. The folder stays empty.
func TestRestoreRefuses(t *testing.T) {
	archive := func(name string, kind byte) []byte {
		var b bytes.Buffer
		z := gzip.NewWriter(&b)
		w := tar.NewWriter(z)
		for _, n := range []string{"a/b.txt", name} {
			h := tar.Header{Name: n, Typeflag: tar.TypeReg, Size: 1, Mode: 0o600}
			if n == name {
				h.Typeflag = kind
			}
			if kind != tar.TypeReg && n == name {
				h.Size, h.Linkname = 0, "/etc/passwd"
			}
			if err := w.WriteHeader(&h); err != nil {
				t.Fatal(err)
			}
			if h.Size > 0 {
				w.Write([]byte("x"))
			}
		}
		w.Close()
		z.Close()
		return b.Bytes()
	}
	whole := archive("c.txt", tar.TypeReg)
	for name, b := range map[string][]byte{
		"no archive": []byte("hello"), "no database": whole, "cut short": whole[:len(whole)-30], "outside": archive("../evil", tar.TypeReg),
		"absolute": archive("/evil", tar.TypeReg), "a link": archive(store.File, tar.TypeSymlink), "a file twice": archive("a/b.txt", tar.TypeReg),
	} {
		dir := t.TempDir()
		file, data := filepath.Join(dir, "b.tar.gz"), filepath.Join(dir, "data")
		if err := os.WriteFile(file, b, 0o600); err != nil {
			t.Fatal(err)
		}
		if status, _, errs := say("restore", file, "--data", data); status != 1 {
			t.Errorf("%s: status %d, %s", name, status, errs)
		}
		if left, _ := filepath.Glob(filepath.Join(data, "[^l]*")); left != nil {
			t.Errorf("%s: %q is left", name, left)
		}
		if _, err := os.Lstat(filepath.Join(dir, "evil")); err == nil {
			t.Errorf("%s: a file outside was written", name)
		}
	}
}
