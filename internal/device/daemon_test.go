package device_test

import (
	"bufio"
	"bytes"
	"context"
	"crypto/tls"
	"encoding/json"
	"errors"
	"fmt"
	"image/jpeg"
	"io"
	"net"
	"net/http"
	"net/http/cookiejar"
	"strings"
	"time"

	"github.com/ocellus-vision/ocellus/camera"
	"github.com/ocellus-vision/ocellus/internal/device"
	"github.com/ocellus-vision/ocellus/internal/device/eye"
)

// patience is how long a visitor asks again for what is not there yet: the guest is slow.
const patience = 3 * time.Minute

// freePorts returns, for each of the guest's ports, one of this machine's loopback that nobody uses.
func freePorts(guest ...int) (map[int]int, error) {
	ports := map[int]int{}
	for _, port := range guest {
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			return nil, err
		}
		defer l.Close()
		ports[port] = l.Addr().(*net.TCPAddr).Port
	}
	return ports, nil
}

// visitor is somebody with a browser on this machine who looks at the daemon in the guest.
type visitor struct {
	http  *http.Client
	ports map[int]int
	base  string
	csrf  string
}

// visit goes from the first start to events of a camera: by way of the guest's loopback until there is a password, from outside after that.
func visit(ctx context.Context, ports map[int]int, token string) (err error) {
	jar, err := cookiejar.New(nil)
	if err != nil {
		return err
	}
	v := &visitor{ports: ports, http: &http.Client{Jar: jar, Timeout: patience,
		Transport: &http.Transport{TLSClientConfig: &tls.Config{InsecureSkipVerify: true}, DisableKeepAlives: true}}}
	defer func() { err = errors.Join(err, v.order(ctx, "done")) }()
	outside := fmt.Sprintf("https://127.0.0.1:%d", ports[device.Daemon])
	v.base = fmt.Sprintf("http://127.0.0.1:%d", ports[device.Relay])
	user := map[string]string{"user": "ada", "password": "correct horse battery"}
	first := map[string]string{"token": token, "user": user["user"], "password": user["password"]}
	var session struct{ CSRF string }
	steps := []func() error{
		func() error { return v.want(ctx, 200, "GET", "/healthz", nil, nil) },
		func() error { return v.page(ctx) },
		func() error { return v.want(ctx, 401, "GET", "/api/v1/cameras", nil, nil) },
		func() error {
			v := *v
			v.base = outside
			if status, _, err := v.ask(ctx, "GET", "/healthz", nil); err == nil {
				return fmt.Errorf("others reach it before there is a password: status %d", status)
			}
			return nil
		},
		func() error { return v.enter(ctx, first) },
		func() error {
			v.base = outside
			return v.soon(ctx, func() error { return v.want(ctx, 200, "GET", "/healthz", nil, nil) })
		},
		func() error { return v.want(ctx, 401, "GET", "/api/v1/cameras", nil, nil) },
		func() error { return v.want(ctx, 204, "POST", "/api/v1/login", user, nil) },
		func() error { return v.want(ctx, 200, "GET", "/api/v1/session", nil, &session) },
		func() error { v.csrf = session.CSRF; return v.page(ctx) },
		func() error { return v.soon(ctx, func() error { return v.running(ctx) }) },
		func() error { return v.soon(ctx, func() error { return v.pattern(ctx) }) },
		func() error { return v.order(ctx, "unbind") },
		func() error { return v.soon(ctx, func() error { return v.event(ctx, "camera_lost") }) },
		func() error { return v.order(ctx, "bind") },
		func() error { return v.soon(ctx, func() error { return v.event(ctx, "camera_found") }) },
		func() error { return v.soon(ctx, func() error { return v.pattern(ctx) }) },
	}
	for i, step := range steps {
		if err := step(); err != nil {
			return fmt.Errorf("step %d: %w", i+1, err)
		}
	}
	return nil
}

// ask sends a request and returns the answer.
func (v *visitor) ask(ctx context.Context, method, path string, body any) (status int, answer []byte, err error) {
	var sent bytes.Buffer
	if body != nil {
		if err := json.NewEncoder(&sent).Encode(body); err != nil {
			return 0, nil, err
		}
	}
	r, err := http.NewRequestWithContext(ctx, method, v.base+path, &sent)
	if err != nil {
		return 0, nil, err
	}
	r.Header.Set("Content-Type", "application/json")
	r.Header.Set("X-CSRF-Token", v.csrf)
	resp, err := v.http.Do(r)
	if err != nil {
		return 0, nil, err
	}
	defer resp.Body.Close()
	answer, err = io.ReadAll(resp.Body)
	return resp.StatusCode, answer, err
}

// want asks, again while the device is too busy to answer, expects a status, and reads the answer where into is not nil.
func (v *visitor) want(ctx context.Context, status int, method, path string, body, into any) error {
	var got int
	var answer []byte
	err := v.soon(ctx, func() (err error) {
		if got, answer, err = v.ask(ctx, method, path, body); err == nil && got == http.StatusServiceUnavailable {
			return errBusy
		}
		return err
	})
	if err != nil && err != errBusy {
		return err
	}
	if got != status {
		return fmt.Errorf("%s %s: status %d, not %d: %s", method, path, got, status, answer)
	}
	if into == nil {
		return nil
	}
	return json.Unmarshal(answer, into)
}

var errBusy = errors.New("the device is busy")

// enter makes the first user. Where the device was too busy to say so in time, the link is used up all the same.
func (v *visitor) enter(ctx context.Context, first map[string]string) error {
	busy := false
	return v.soon(ctx, func() error {
		status, answer, err := v.ask(ctx, "POST", "/api/v1/setup", first)
		if err != nil || status == 204 || busy && status == 403 {
			return err
		}
		busy = busy || status == http.StatusServiceUnavailable
		return fmt.Errorf("setup: status %d: %s", status, answer)
	})
}

// soon tries until something is so.
func (v *visitor) soon(ctx context.Context, is func() error) error {
	for end := time.Now().Add(patience); ; time.Sleep(200 * time.Millisecond) {
		err := is()
		if err == nil || ctx.Err() != nil || time.Now().After(end) {
			return err
		}
	}
}

// page fetches the page and its style and programs.
func (v *visitor) page(ctx context.Context) error {
	status, page, err := v.ask(ctx, "GET", "/", nil)
	if err != nil || status != 200 || !bytes.Contains(page, []byte("<title>Ocellus</title>")) {
		return fmt.Errorf("page: status %d, %v: %.300s", status, err, page)
	}
	n := 0
	for _, part := range strings.Split(string(page), `"`) {
		if strings.HasPrefix(part, "/") && (strings.HasSuffix(part, ".js") || strings.HasSuffix(part, ".css")) {
			n++
			if err := v.want(ctx, 200, "GET", part, nil, nil); err != nil {
				return err
			}
		}
	}
	if n < 2 {
		return fmt.Errorf("the page names %d parts: %s", n, page)
	}
	return nil
}

// running asks that the camera gives frames.
func (v *visitor) running(ctx context.Context) error {
	var all struct {
		Cameras []struct {
			Name, State   string
			Width, Height int
		}
	}
	if err := v.want(ctx, 200, "GET", "/api/v1/cameras", nil, &all); err != nil {
		return err
	}
	if len(all.Cameras) != 1 || all.Cameras[0].Name != "desk" || all.Cameras[0].State != "running" || all.Cameras[0].Width != 640 || all.Cameras[0].Height != 480 {
		return fmt.Errorf("cameras %+v", all.Cameras)
	}
	return nil
}

// pattern asks for the newest frame and compares it with the test pattern.
func (v *visitor) pattern(ctx context.Context) error {
	status, frame, err := v.ask(ctx, "GET", "/api/v1/cameras/desk/frame.jpg", nil)
	if err != nil || status != 200 {
		return fmt.Errorf("frame: status %d, %v: %.300s", status, err, frame)
	}
	size, err := jpeg.DecodeConfig(bytes.NewReader(frame))
	if err != nil {
		return err
	}
	return eye.BarsWithin(&camera.Frame{Format: camera.JPEG, Width: size.Width, Height: size.Height, Data: frame}, 10)
}

// event asks for an event of the camera.
func (v *visitor) event(ctx context.Context, kind string) error {
	var all struct {
		Events []struct{ Camera, Kind string }
	}
	if err := v.want(ctx, 200, "GET", "/api/v1/events?camera=desk&kind="+kind, nil, &all); err != nil {
		return err
	}
	if len(all.Events) == 0 {
		return fmt.Errorf("no event %s", kind)
	}
	return nil
}

// order tells the guest what to do.
func (v *visitor) order(ctx context.Context, what string) error {
	c, err := new(net.Dialer).DialContext(ctx, "tcp", fmt.Sprintf("127.0.0.1:%d", v.ports[device.Control]))
	if err != nil {
		return err
	}
	defer c.Close()
	c.SetDeadline(time.Now().Add(patience))
	fmt.Fprintln(c, what)
	if answer, err := bufio.NewReader(c).ReadString('\n'); answer != "ok\n" {
		return fmt.Errorf("the guest could not do %q: %q, %v", what, answer, err)
	}
	return nil
}
