package out

import (
	"bytes"
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"net/url"
	"strconv"
	"time"

	"github.com/ocellus-vision/ocellus/cmd/ocellusd/internal/config"
)

// Headers of what is sent to webhooks.
const (
	deliveryHeader  = "X-Ocellus-Delivery"  // the id, the same each time that an event is sent
	signatureHeader = "X-Ocellus-Signature" // t=SECONDS,v1=HEX
)

// refusals is how often a message is sent to who says that it is not what is meant, before it is dropped. All else is tried for ever.
const refusals = 5

// hook is a webhook.
type hook struct {
	x      *Out
	url    string
	secret string
	client *http.Client
}

// hookSettings are what a hook was made of.
type hookSettings struct {
	device string
	config.Webhook
}

func newHook(x *Out, c *config.Webhook) *hook {
	return &hook{x: x, url: c.URL.Reveal(), secret: c.Secret.Reveal(), client: &http.Client{Timeout: 15 * time.Second,
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}}
}

// Sign returns the signature of a body that is sent at a time, in seconds since 1970: the HMAC-SHA256, with the secret, of the time in decimal, a full stop and
// the body. The receiver computes the same and compares; a time that is long past tells a copy.
func Sign(secret string, at int64, body []byte) string {
	mac := hmac.New(sha256.New, []byte(secret))
	fmt.Fprintf(mac, "%d.", at)
	mac.Write(body)
	return fmt.Sprintf("t=%d,v1=%s", at, hex.EncodeToString(mac.Sum(nil)))
}

// refusedError says that the receiver does not want a message.
type refusedError struct{ status int }

func (e *refusedError) Error() string { return fmt.Sprintf("refused with status %d", e.status) }

// run implements poster.
func (h *hook) run(ctx context.Context, t *target) {
	failures, refused := 0, 0
	for {
		m, ok, err := h.x.next(ctx, t)
		if err == nil && !ok {
			select {
			case <-ctx.Done():
				return
			case <-t.news:
				continue
			}
		}
		if err == nil {
			err = h.send(ctx, m)
		}
		var no *refusedError
		if errors.As(err, &no) {
			if refused++; refused >= refusals {
				h.x.o.Log.Error("a message was dropped, because it is refused each time", "target", t.shown, "delivery", m.id, "error", err)
				refused, failures = 0, 0
				if err = h.x.taken(t, m, false); err == nil {
					continue
				}
			}
		}
		if err == nil {
			err = h.x.taken(t, m, true)
		}
		if ctx.Err() != nil {
			return
		}
		if err == nil {
			failures, refused = 0, 0
			t.state(true, nil)
			continue
		}
		if failures++; failures == 1 {
			h.x.o.Log.Warn("a webhook does not answer as it should: it is tried again", "target", t.shown, "error", err)
		}
		t.state(false, err)
		if !sleep(ctx, backOff(failures, h.x.first, h.x.last, rand.Float64())) {
			return
		}
	}
}

// send sends a message once.
func (h *hook) send(ctx context.Context, m message) error {
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, h.url, bytes.NewReader(m.body))
	if err != nil {
		return errors.New("the address cannot be used")
	}
	r.Header.Set("Content-Type", "application/json")
	r.Header.Set("User-Agent", "ocellusd")
	r.Header.Set(deliveryHeader, m.id)
	if h.secret != "" {
		r.Header.Set(signatureHeader, Sign(h.secret, time.Now().Unix(), m.body))
	}
	resp, err := h.client.Do(r)
	if err != nil {
		// Its text would hold the address with its secrets.
		var u *url.Error
		if errors.As(err, &u) {
			err = u.Err
		}
		return err
	}
	defer resp.Body.Close()
	io.Copy(io.Discard, io.LimitReader(resp.Body, 64<<10))
	switch {
	case resp.StatusCode >= 200 && resp.StatusCode < 300:
		return nil
	case resp.StatusCode == http.StatusBadRequest, resp.StatusCode == http.StatusRequestEntityTooLarge, resp.StatusCode == http.StatusUnprocessableEntity:
		return &refusedError{resp.StatusCode}
	}
	return errors.New("status " + strconv.Itoa(resp.StatusCode))
}
