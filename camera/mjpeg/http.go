package mjpeg

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"mime"
	"net"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/ocellus-vision/ocellus/camera"
)

// HTTPOptions say how a camera is reached. The zero HTTPOptions are good ones.
type HTTPOptions struct {
	// Timeout bounds how long connecting may take, the answer, and any pause within the stream. 0 means 10 s.
	Timeout time.Duration
	// Insecure takes any certificate: cameras sign their own.
	Insecure bool
}

// maxRedirects is how often a camera may send us on.
const maxRedirects = 5

// HTTP is a camera that sends JPEGs over HTTP or HTTPS in one answer without end, mostly as multipart/x-mixed-replace. Frames are stamped
// as they begin to arrive.
type HTTP struct {
	url    *url.URL // without the user
	user   *url.Userinfo
	o      HTTPOptions
	client *http.Client
	pool   camera.Pool
}

// OpenURL returns a source for an address, which may hold a user and a password: they are sent, by the digest or the basic scheme, to the host
// in the address and no other, and only if it asks for them. Nothing is connected before Run.
func OpenURL(address string, o HTTPOptions) (*HTTP, error) {
	u, err := url.Parse(address)
	if err != nil {
		return nil, fmt.Errorf("%s: not an address of the form http://user:password@host:port/path (in a user or password, @ is written %%40, / is %%2F and : is %%3A)", camera.Redact(address))
	}
	if u.Scheme != "http" && u.Scheme != "https" || u.Host == "" {
		return nil, fmt.Errorf("%s: want an address of the form http://host:port/path or https://host:port/path", camera.Redact(address))
	}
	if o.Timeout == 0 {
		o.Timeout = 10 * time.Second
	}
	h := &HTTP{user: u.User, o: o}
	u.User = nil
	h.url = u
	h.client = &http.Client{
		Transport: &http.Transport{
			Proxy:                  http.ProxyFromEnvironment,
			DialContext:            (&net.Dialer{Timeout: o.Timeout}).DialContext,
			TLSClientConfig:        &tls.Config{InsecureSkipVerify: o.Insecure},
			TLSHandshakeTimeout:    o.Timeout,
			MaxResponseHeaderBytes: 64 << 10,
			DisableKeepAlives:      true,
			DisableCompression:     true,
		},
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
	return h, nil
}

func (h *HTTP) String() string { return camera.Redact(h.url.String()) }

// Run implements camera.Source. A stream that ends is an error.
func (h *HTTP) Run(ctx context.Context, sink camera.Sink) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	inner, cancel := context.WithCancel(ctx)
	defer cancel()
	w := camera.NewWatchdog(h.o.Timeout, cancel)
	defer w.Stop()
	err := h.stream(inner, ctx, w, sink)
	switch {
	case ctx.Err() != nil:
		return ctx.Err()
	case w.Barked():
		err = fmt.Errorf("nothing came for %v", h.o.Timeout)
	case errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF):
		err = errors.New("the camera ended the stream")
	}
	if wrapped := (*url.Error)(nil); errors.As(err, &wrapped) {
		err = wrapped.Err // without the address, which we write ourselves
	}
	return fmt.Errorf("%s: %w", h, err)
}

// stream connects and hands out frames; ctx is that of the connection.
func (h *HTTP) stream(ctx, outer context.Context, w *camera.Watchdog, sink camera.Sink) error {
	answer, err := h.connect(ctx, w)
	if err != nil {
		return err
	}
	defer answer.Body.Close()
	c := newCutter(&fed{answer.Body, w})
	size := 0
	for seq := uint64(0); ; seq++ {
		f, err := c.frame(&h.pool, size, func(err error) { camera.Warn(outer, fmt.Errorf("%s: %w", h, err)) })
		if err != nil {
			return err
		}
		if err := ctx.Err(); err != nil {
			f.Release()
			return err
		}
		size = len(f.Data)
		f.Seq = seq
		w.Stop()
		sink(f)
		w.Feed()
	}
}

// connect asks for the stream, with the password once the camera has asked for it, and follows where the camera sends us.
func (h *HTTP) connect(ctx context.Context, w *camera.Watchdog) (*http.Response, error) {
	at, authorization := h.url, ""
	for redirects := 0; ; {
		request, err := http.NewRequestWithContext(ctx, http.MethodGet, at.String(), nil)
		if err != nil {
			return nil, err
		}
		request.Header.Set("User-Agent", "ocellus")
		request.Header.Set("Accept", "multipart/x-mixed-replace, image/jpeg, */*")
		if authorization != "" {
			request.Header.Set("Authorization", authorization)
		}
		w.Feed()
		answer, err := h.client.Do(request)
		if err != nil {
			return nil, err
		}
		w.Feed()
		switch answer.StatusCode {
		case http.StatusOK:
			if err := pictures(answer); err != nil {
				answer.Body.Close()
				return nil, err
			}
			return answer, nil
		case http.StatusUnauthorized:
			answer.Body.Close()
			again := authorization != ""
			if authorization, err = h.authorize(at, answer.Header.Values("WWW-Authenticate")); err != nil {
				return nil, err
			}
			if again && !stale(answer.Header.Values("WWW-Authenticate")) {
				return nil, errors.New("the camera refuses this user and password")
			}
			if redirects++; redirects > maxRedirects {
				return nil, errors.New("the camera asks for the password again and again")
			}
		case http.StatusMovedPermanently, http.StatusFound, http.StatusSeeOther, http.StatusTemporaryRedirect, http.StatusPermanentRedirect:
			answer.Body.Close()
			next, err := answer.Location()
			switch {
			case err != nil:
				return nil, fmt.Errorf("the camera sends us on (%s), but not where to", answer.Status)
			case next.Scheme != "http" && next.Scheme != "https" || at.Scheme == "https" && next.Scheme == "http":
				return nil, fmt.Errorf("the camera sends us on to %s, which is not followed", camera.Redact(next.String()))
			}
			if redirects++; redirects > maxRedirects {
				return nil, fmt.Errorf("the camera sent us on more than %d times, last to %s", maxRedirects, camera.Redact(next.String()))
			}
			next.User = nil
			at, authorization = next, ""
		default:
			answer.Body.Close()
			return nil, fmt.Errorf("the camera answers %s", answer.Status)
		}
	}
}

// authorize answers a challenge of the host at an address.
func (h *HTTP) authorize(at *url.URL, challenges []string) (string, error) {
	if at.Hostname() != h.url.Hostname() || at.Scheme != h.url.Scheme && at.Scheme != "https" {
		return "", fmt.Errorf("%s asks for a password, which is sent to %s only", at.Hostname(), h.url.Hostname())
	}
	if h.user == nil {
		return "", errors.New("the camera asks for a user and a password: write http://user:password@host/path")
	}
	password, _ := h.user.Password()
	return authorization(challenges, h.user.Username(), password, http.MethodGet, at.RequestURI())
}

// pictures returns an error where an answer says that it holds none.
func pictures(answer *http.Response) error {
	kind, _, err := mime.ParseMediaType(answer.Header.Get("Content-Type"))
	if err != nil { // some cameras write boundaries that the standard does not allow
		kind, _, _ = strings.Cut(answer.Header.Get("Content-Type"), ";")
	}
	kind = strings.ToLower(strings.TrimSpace(kind))
	if strings.HasPrefix(kind, "text/") || strings.HasSuffix(kind, "json") || strings.HasSuffix(kind, "xml") || strings.HasPrefix(kind, "video/mp") {
		return fmt.Errorf("the camera sends %s, no stream of JPEGs: this is not the address of its MJPEG stream; others are read through ffmpeg", kind)
	}
	return nil
}

// fed is a reader that tells a watchdog of each read that brought something.
type fed struct {
	r io.Reader
	w *camera.Watchdog
}

func (f *fed) Read(b []byte) (int, error) {
	n, err := f.r.Read(b)
	if n > 0 {
		f.w.Feed()
	}
	return n, err
}
