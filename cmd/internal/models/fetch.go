package models

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"time"
)

// Fetcher brings networks of the catalogue into a store.
type Fetcher struct {
	Store    Store
	Mirror   string                    // address below which the files lie; "": Origin
	From     string                    // a file, or a folder of files, that is copied instead
	Progress func(done, total int64)   // nil: nobody asks
	pause    func(n int) time.Duration // before going on after the n-th cut; nil: a second, two, four, ...
	stall    time.Duration             // without a byte, after which a connection counts as cut; 0: half a minute
	client   http.RoundTripper         // nil: one of its own
}

const (
	maxRedirects = 5
	maxCuts      = 5 // in a row that brought no byte
	maxTries     = 100
)

// Get makes the store hold an entry. had says that it held it already.
//
// What arrives is kept in NAME.onnx.part, where the next Get goes on, and takes its place under its name when it has the entry's size and
// digest; otherwise it is removed. Programs that get the same network at a time wait for one another.
func (f *Fetcher) Get(ctx context.Context, e Entry) (had bool, err error) {
	if err := os.MkdirAll(f.Store.Dir, 0o755); err != nil {
		return false, err
	}
	part, err := f.open(f.Store.Path(e.Name) + ".part")
	if err != nil {
		return false, err
	}
	defer part.Close()
	if sum, err := f.Store.Digest(e.Name); err == nil && sum == e.SHA256 {
		return true, os.Remove(part.Name())
	}
	if f.From != "" {
		err = f.copy(ctx, part, &e)
	} else {
		err = f.download(ctx, part, &e)
	}
	if err != nil {
		if info, statErr := part.Stat(); statErr == nil && info.Size() == 0 {
			os.Remove(part.Name())
		}
		return false, fmt.Errorf("%s: %w", e.Name, err)
	}
	if err := part.Sync(); err != nil {
		return false, fmt.Errorf("%s: %w", e.Name, err)
	}
	if err := f.Store.writeCard(&e); err != nil {
		return false, fmt.Errorf("%s: %w", e.Name, err)
	}
	return false, os.Rename(part.Name(), f.Store.Path(e.Name))
}

// open opens and locks the file that is still under way. Whoever held the lock before may have renamed or removed it.
func (f *Fetcher) open(path string) (*os.File, error) {
	for {
		if info, err := os.Lstat(path); err == nil && !info.Mode().IsRegular() {
			return nil, fmt.Errorf("%s: not a regular file; remove it", path)
		}
		part, err := os.OpenFile(path, os.O_CREATE|os.O_RDWR, 0o644)
		if err != nil {
			return nil, err
		}
		err = lock(part)
		if err == nil {
			mine, mineErr := part.Stat()
			now, nowErr := os.Stat(path)
			if mineErr == nil && nowErr == nil && os.SameFile(mine, now) {
				return part, nil
			}
		}
		part.Close()
		if err != nil {
			return nil, fmt.Errorf("%s: %w", path, err)
		}
	}
}

// wrongError says that a file is not the catalogue's. Nothing of it is kept.
type wrongError struct{ why string }

func (e *wrongError) Error() string {
	return e.why + ": it is not the file of the catalogue, and was removed"
}

// check compares what arrived with the entry, and empties the file where it is another.
func check(part *os.File, e *Entry) error {
	sum, err := digest(part)
	if err != nil || sum == e.SHA256 {
		return err
	}
	return errors.Join(&wrongError{fmt.Sprintf("SHA-256 %s instead of %s", sum, e.SHA256)}, part.Truncate(0))
}

// copy takes an entry from a file, or from the folder that holds it under its name here or at its origin.
func (f *Fetcher) copy(ctx context.Context, part *os.File, e *Entry) error {
	from := f.From
	info, err := os.Stat(from)
	if err == nil && info.IsDir() {
		err = os.ErrNotExist
		for _, name := range []string{e.File(), e.Name + ".onnx", filepath.FromSlash(e.Path)} {
			if info, err = os.Stat(filepath.Join(f.From, name)); err == nil {
				from = filepath.Join(f.From, name)
				break
			}
		}
		if err != nil {
			return fmt.Errorf("%s: there is neither %s nor %s.onnx", f.From, e.File(), e.Name)
		}
	}
	switch {
	case err != nil:
		return err
	case !info.Mode().IsRegular():
		return fmt.Errorf("%s: not a regular file", from)
	case info.Size() != e.Bytes:
		return fmt.Errorf("%s: %d bytes instead of %d: it is not the file of the catalogue", from, info.Size(), e.Bytes)
	}
	src, err := os.Open(from)
	if err != nil {
		return err
	}
	defer src.Close()
	if err := part.Truncate(0); err != nil {
		return err
	}
	if _, err := f.receive(ctx, part, src, 0, e.Bytes); err != nil {
		return errors.Join(err, part.Truncate(0))
	}
	return check(part, e)
}

// download takes an entry from the network, from where the file under way ends. Bytes that came in several runs and do not fit together are
// fetched again as a whole.
func (f *Fetcher) download(ctx context.Context, part *os.File, e *Entry) error {
	address, err := f.address(e)
	if err != nil {
		return err
	}
	info, err := part.Stat()
	if err != nil {
		return err
	}
	resumed := info.Size() > 0
	if info.Size() > e.Bytes {
		if err := part.Truncate(0); err != nil {
			return err
		}
	}
	for {
		if err := f.rest(ctx, part, address, e); err != nil {
			return err
		}
		err := check(part, e)
		var wrong *wrongError
		if !resumed || !errors.As(err, &wrong) {
			return err
		}
		resumed = false
	}
}

// address returns where an entry lies.
func (f *Fetcher) address(e *Entry) (string, error) {
	base := or(f.Mirror, Origin)
	u, err := url.Parse(base)
	if err != nil || u.Scheme != "https" && u.Scheme != "http" || u.Host == "" {
		return "", fmt.Errorf("%q is no address of a mirror; write https://host/folder", base)
	}
	return u.JoinPath(e.Path).String(), nil
}

// rest downloads until the file has all its bytes. A connection that is cut, or a server that is busy, is tried again.
func (f *Fetcher) rest(ctx context.Context, part *os.File, address string, e *Entry) error {
	client := f.http()
	defer client.CloseIdleConnections()
	cuts := 0
	for range maxTries {
		info, err := part.Stat()
		if err != nil {
			return err
		}
		if info.Size() == e.Bytes {
			return nil
		}
		n, err := f.run(ctx, client, part, address, info.Size(), e)
		var cut *cutError
		switch {
		case err == nil:
			continue
		case ctx.Err() != nil:
			return errors.New("interrupted; the same command goes on from there")
		case !errors.As(err, &cut):
			return err
		case n > 0:
			cuts = 0
		}
		if cuts++; cuts > maxCuts {
			return fmt.Errorf("%w; the same command goes on from there", cut.error)
		}
		select {
		case <-time.After(f.wait(cuts)):
		case <-ctx.Done():
		}
	}
	return fmt.Errorf("%s: the connection was cut %d times; the same command goes on from there", address, maxTries)
}

func (f *Fetcher) wait(cuts int) time.Duration {
	if f.pause != nil {
		return f.pause(cuts)
	}
	return time.Second << (cuts - 1)
}

// cutError is an error after which it is worth going on.
type cutError struct{ error }

// run makes one request for the bytes from begin on and writes what comes. n counts the bytes.
func (f *Fetcher) run(ctx context.Context, client *http.Client, part *os.File, address string, begin int64, e *Entry) (n int64, err error) {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	stall := f.stall
	if stall == 0 {
		stall = 30 * time.Second
	}
	watch := time.AfterFunc(stall, cancel)
	defer watch.Stop()
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, address, nil)
	if err != nil {
		return 0, err
	}
	request.Header.Set("User-Agent", "ocellus")
	if begin > 0 {
		request.Header.Set("Range", fmt.Sprintf("bytes=%d-", begin))
	}
	answer, err := client.Do(request)
	if err != nil {
		if _, refused := errors.AsType[*redirectError](err); refused {
			return 0, err
		}
		return 0, &cutError{err}
	}
	defer answer.Body.Close()
	switch answer.StatusCode {
	case http.StatusOK:
		begin = 0
		if l := answer.ContentLength; l >= 0 && l != e.Bytes {
			return 0, errors.Join(&wrongError{fmt.Sprintf("%s: %d bytes instead of %d", address, l, e.Bytes)}, part.Truncate(0))
		}
	case http.StatusPartialContent:
		want := fmt.Sprintf("bytes %d-%d/%d", begin, e.Bytes-1, e.Bytes)
		if begin == 0 || answer.Header.Get("Content-Range") != want {
			return 0, errors.Join(&wrongError{fmt.Sprintf("%s: the server sent %.60q instead of %q", address, answer.Header.Get("Content-Range"), want)}, part.Truncate(0))
		}
	case http.StatusRequestedRangeNotSatisfiable:
		if begin == 0 {
			return 0, fmt.Errorf("%s: the server answered %.60q", address, answer.Status)
		}
		return 0, part.Truncate(0)
	case http.StatusRequestTimeout, http.StatusTooManyRequests, http.StatusInternalServerError, http.StatusBadGateway,
		http.StatusServiceUnavailable, http.StatusGatewayTimeout:
		return 0, &cutError{fmt.Errorf("%s: the server answered %.60q", address, answer.Status)}
	default:
		return 0, fmt.Errorf("%s: the server answered %.60q; --mirror names another, --from a copy on this machine", address, answer.Status)
	}
	if begin == 0 {
		if err := part.Truncate(0); err != nil {
			return 0, err
		}
	}
	return f.receive(ctx, part, &watched{answer.Body, watch, stall}, begin, e.Bytes)
}

// watched puts off a watch at every read.
type watched struct {
	io.Reader
	watch *time.Timer
	stall time.Duration
}

func (w *watched) Read(b []byte) (int, error) {
	w.watch.Reset(w.stall)
	return w.Reader.Read(b)
}

// receive writes what src has to part, from byte begin on. It returns a cutError where src ends before total, and a wrongError where it goes on
// after it. A part that cannot be written, as on a full disk, is removed.
func (f *Fetcher) receive(ctx context.Context, part *os.File, src io.Reader, begin, total int64) (n int64, err error) {
	buf := make([]byte, 64<<10)
	for {
		k, err := src.Read(buf)
		if begin+n+int64(k) > total {
			return n, errors.Join(&wrongError{fmt.Sprintf("more than %d bytes", total)}, part.Truncate(0))
		}
		if k > 0 {
			if _, err := part.WriteAt(buf[:k], begin+n); err != nil {
				return n, errors.Join(err, part.Truncate(0))
			}
			n += int64(k)
			if f.Progress != nil {
				f.Progress(begin+n, total)
			}
		}
		switch {
		case err == io.EOF && begin+n == total:
			return n, nil
		case err == io.EOF:
			return n, &cutError{io.ErrUnexpectedEOF}
		case err != nil:
			return n, &cutError{err}
		case ctx.Err() != nil:
			return n, &cutError{ctx.Err()}
		}
	}
}

// redirectError says where a server sent us that we do not go.
type redirectError struct{ why string }

func (e *redirectError) Error() string { return e.why }

// http returns a client that follows few redirections, none from https to http, and waits no longer than stall for the first byte.
func (f *Fetcher) http() *http.Client {
	transport := f.client
	if transport == nil {
		transport = &http.Transport{
			Proxy:                  http.ProxyFromEnvironment,
			DialContext:            (&net.Dialer{Timeout: 15 * time.Second}).DialContext,
			TLSHandshakeTimeout:    15 * time.Second,
			MaxResponseHeaderBytes: 64 << 10,
			DisableCompression:     true, // ranges count the bytes of the file
			ForceAttemptHTTP2:      true,
		}
	}
	return &http.Client{Transport: transport, CheckRedirect: func(r *http.Request, via []*http.Request) error {
		switch {
		case len(via) > maxRedirects:
			return &redirectError{fmt.Sprintf("more than %d redirections", maxRedirects)}
		case r.URL.Scheme != "https" && strings.EqualFold(via[len(via)-1].URL.Scheme, "https"):
			return &redirectError{"a redirection from https to " + r.URL.Scheme}
		}
		return nil
	}}
}
