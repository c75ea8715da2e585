package models

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"

	"github.com/goccy/go-yaml"

	"github.com/ocellus-vision/ocellus/model/zoo"
)

// Store is a folder of networks, NAME.onnx each, with cards NAME.yaml.
type Store struct{ Dir string }

// Open returns the user's store: models in ocellus's folder of $XDG_DATA_HOME or ~/.local/share. Nothing is made on the disk.
func Open() (Store, error) {
	dir := os.Getenv("XDG_DATA_HOME")
	if !filepath.IsAbs(dir) {
		home, err := os.UserHomeDir()
		if err != nil {
			return Store{}, fmt.Errorf("the folder of networks: %w", err)
		}
		dir = filepath.Join(home, ".local", "share")
	}
	return Store{filepath.Join(dir, "ocellus", "models")}, nil
}

const (
	// maxFile bounds a network that is hashed.
	maxFile = 2 << 30
	// maxChoices bounds the file of choices.
	maxChoices = 1 << 16
)

var name = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9._-]{0,99}$`)

// Named says whether a word may be the name of a network.
func Named(s string) bool { return name.MatchString(s) && !strings.HasSuffix(s, ".onnx") }

// Path is where the network of a name lies, or would.
func (s Store) Path(name string) string { return filepath.Join(s.Dir, name+".onnx") }

// Has says whether the store holds a network.
func (s Store) Has(name string) bool {
	info, err := os.Stat(s.Path(name))
	return err == nil && info.Mode().IsRegular()
}

// Names lists the networks that the store holds, in the order of their names.
func (s Store) Names() ([]string, error) {
	entries, err := os.ReadDir(s.Dir)
	if err != nil && !errors.Is(err, os.ErrNotExist) {
		return nil, err
	}
	var list []string
	for _, e := range entries {
		if n, ok := strings.CutSuffix(e.Name(), ".onnx"); ok && Named(n) && s.Has(n) {
			list = append(list, n)
		}
	}
	slices.Sort(list)
	return list, nil
}

// Digest returns the SHA-256 of a network's file.
func (s Store) Digest(name string) (string, error) {
	f, err := os.Open(s.Path(name))
	if err != nil {
		return "", err
	}
	defer f.Close()
	return digest(f)
}

// digest returns the SHA-256 of a regular file, from its beginning.
func digest(f *os.File) (string, error) {
	info, err := f.Stat()
	switch {
	case err != nil:
		return "", err
	case !info.Mode().IsRegular():
		return "", fmt.Errorf("%s: not a regular file", f.Name())
	case info.Size() > maxFile:
		return "", fmt.Errorf("%s: larger than 2 GiB", f.Name())
	}
	h := sha256.New()
	if _, err := io.Copy(h, io.NewSectionReader(f, 0, info.Size())); err != nil {
		return "", err
	}
	return hex.EncodeToString(h.Sum(nil)), nil
}

// Choice is the network that stands for a default one.
type Choice struct {
	Model  string `json:"model"`
	SHA256 string `json:"sha256"` // of its file when it was chosen
}

func (s Store) choices() string { return filepath.Join(s.Dir, "tasks.json") }

// Choices returns the networks that stand for default ones, by the names in model/zoo.
func (s Store) Choices() (map[string]Choice, error) {
	f, err := os.Open(s.choices())
	if errors.Is(err, os.ErrNotExist) {
		return map[string]Choice{}, nil
	}
	if err != nil {
		return nil, err
	}
	defer f.Close()
	b, err := io.ReadAll(io.LimitReader(f, maxChoices+1))
	if err != nil {
		return nil, err
	}
	all := map[string]Choice{}
	if len(b) > maxChoices {
		err = errors.New("too large")
	} else {
		err = json.Unmarshal(b, &all)
	}
	for task, c := range all {
		if err == nil && (!slices.Contains(zoo.Names, task) || !Named(c.Model)) {
			err = fmt.Errorf("%q: %q is no network for a task", task, c.Model)
		}
	}
	if err != nil {
		return nil, fmt.Errorf("%s: %w; remove the file to go back to the networks in the program", s.choices(), err)
	}
	return all, nil
}

// Use makes a network of the store stand for the default one of a name in model/zoo.
func (s Store) Use(task, name string) error {
	sum, err := s.Digest(name)
	if err != nil {
		return err
	}
	if e, ok := Find(name); ok {
		if e.Task != task {
			return fmt.Errorf("%s is a network for %s", name, or(e.Task, "'ocellus "+e.Verb+"'"))
		}
		if sum != e.SHA256 {
			return fmt.Errorf("%s: not the file of the catalogue: 'ocellus models get %s' fetches it again", s.Path(name), name)
		}
	}
	return s.choose(func(all map[string]Choice) { all[task] = Choice{name, sum} })
}

// Forget makes the network in the program a task's again.
func (s Store) Forget(task string) error {
	if all, err := s.Choices(); err == nil && all[task] == (Choice{}) {
		return nil
	}
	return s.choose(func(all map[string]Choice) { delete(all, task) })
}

// choose changes the file of choices; programs that do so at the same time wait for one another.
func (s Store) choose(change func(map[string]Choice)) error {
	f, err := os.OpenFile(s.choices()+".lock", os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return err
	}
	defer f.Close()
	if err := lock(f); err != nil {
		return err
	}
	all, err := s.Choices()
	if err != nil {
		return err
	}
	change(all)
	b, err := json.MarshalIndent(all, "", "  ")
	if err != nil {
		return err
	}
	return replace(s.choices(), append(b, '\n'))
}

// Chosen returns the file that stands for the default network of a task and its digest when it was chosen; "" where none does.
func Chosen(task string) (file, sum string, err error) {
	s, err := Open()
	if err != nil {
		return "", "", nil // without a data folder nothing was chosen
	}
	all, err := s.Choices()
	c, ok := all[task]
	if err != nil || !ok {
		return "", "", err
	}
	if !s.Has(c.Model) {
		return "", "", fmt.Errorf("%s: %s was chosen and is not there: 'ocellus models get %s', or 'ocellus models use %s --default'", task, s.Path(c.Model), c.Model, task)
	}
	return s.Path(c.Model), c.SHA256, nil
}

// Resolve returns the file that a word of the command line names: the file itself where there is one, else the network of that name in the
// user's store. What is neither comes back as it is, unless the catalogue knows it.
func Resolve(word string) (string, error) {
	if _, err := os.Stat(word); err == nil || !Named(word) {
		return word, nil
	}
	s, err := Open()
	if err == nil && s.Has(word) {
		return s.Path(word), nil
	}
	if _, ok := Find(word); ok {
		return "", fmt.Errorf("%s: it is in the catalogue, not on this machine: 'ocellus models get %s'", word, word)
	}
	return word, nil
}

// writeCard writes the card of a catalogue's entry beside its network.
func (s Store) writeCard(e *Entry) error {
	b, err := yaml.MarshalWithOptions(e.Card, yaml.UseJSONMarshaler())
	if err != nil {
		return err
	}
	head := fmt.Sprintf("# %s: %s. Licence: %s. From %s%s\n", e.Name, e.About, e.Licence, Origin, e.Path)
	return replace(filepath.Join(s.Dir, e.Name+".yaml"), append([]byte(head), b...))
}

// replace writes a file beside path, waits until the disk has it, and puts it in path's place.
func replace(path string, data []byte) (err error) {
	f, err := os.CreateTemp(filepath.Dir(path), "."+filepath.Base(path)+".*")
	if err != nil {
		return err
	}
	defer func() {
		if err != nil {
			os.Remove(f.Name())
		}
	}()
	_, err = f.Write(data)
	err = errors.Join(err, f.Sync())
	if err = errors.Join(err, f.Close()); err != nil {
		return err
	}
	return os.Rename(f.Name(), path)
}

func or(a, b string) string {
	if a != "" {
		return a
	}
	return b
}
