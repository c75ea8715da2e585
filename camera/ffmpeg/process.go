package ffmpeg

import (
	"bytes"
	"context"
	"errors"
	"io"
	"os"
	"os/exec"
	"regexp"
	"runtime"
	"strconv"
	"strings"
	"sync"
	"time"
)

// grace is how long a process may take to end when it is asked to.
const grace = 500 * time.Millisecond

// process is a child that has been started, and the group of processes that it heads.
type process struct {
	cmd   *exec.Cmd
	mu    sync.Mutex // of ended: a process that has been waited for is not killed, for its number may be another's
	ended bool
	done  chan struct{}
	err   error // of Wait, after done
}

// start starts a command. One goroutine keeps the thread that started it until it has ended.
func start(cmd *exec.Cmd) (*process, error) {
	grouped(cmd)
	p := &process{cmd: cmd, done: make(chan struct{})}
	started := make(chan error, 1)
	go func() {
		runtime.LockOSThread()
		defer runtime.UnlockOSThread()
		defer close(p.done)
		err := cmd.Start()
		started <- err
		if err != nil {
			return
		}
		state, err := cmd.Process.Wait()
		p.mu.Lock()
		p.ended = true
		p.mu.Unlock()
		if err == nil && !state.Success() {
			err = errors.New(state.String())
		}
		p.err = err
	}()
	if err := <-started; err != nil {
		return nil, err
	}
	return p, nil
}

// kill sends a signal to the group.
func (p *process) kill(kindly bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if !p.ended {
		kill(p.cmd, kindly)
	}
}

// stop ends the group and waits for its head.
func (p *process) stop() {
	p.kill(true)
	select {
	case <-p.done:
	case <-time.After(grace):
		p.kill(false)
		<-p.done
	}
}

// find returns the path of ffmpeg.
func find() (string, error) {
	path, err := exec.LookPath("ffmpeg")
	if err != nil {
		return "", errors.New("ffmpeg is not installed or not in PATH (Debian: sudo apt install ffmpeg)")
	}
	return path, nil
}

var versionText = regexp.MustCompile(`^ffmpeg version n?(\d+)\.(\d+)`)

// pace returns the option that says whether frames are passed on as they come or at a constant rate, by a name that this ffmpeg knows.
func pace(path, how string) []string {
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	out, _ := exec.CommandContext(ctx, path, "-version").Output()
	if m := versionText.FindSubmatch(out); m != nil {
		major, _ := strconv.Atoi(string(m[1]))
		minor, _ := strconv.Atoi(string(m[2]))
		if major < 5 || major == 5 && minor < 1 {
			return []string{"-vsync", how}
		}
	}
	return []string{"-fps_mode", how}
}

// tail holds the last lines of what went wrong. Many goroutines may share it.
type tail struct {
	mu    sync.Mutex
	lines []string
}

// maxTail is how many lines an error message quotes, and maxLine the length of each in bytes.
const (
	maxTail = 4
	maxLine = 400
)

func (t *tail) add(line string) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if len(line) > maxLine {
		line = strings.ToValidUTF8(line[:maxLine], "") + "..."
	}
	if len(t.lines) == maxTail {
		t.lines = append(t.lines[:0], t.lines[1:]...)
	}
	t.lines = append(t.lines, line)
}

// String returns the lines with semicolons between them.
func (t *tail) String() string {
	t.mu.Lock()
	defer t.mu.Unlock()
	return strings.Join(t.lines, "; ")
}

// pipes returns both ends of a pipe, or closes what is open of the others.
func pipes(n int) (ends [][2]*os.File, err error) {
	for range n {
		r, w, err := os.Pipe()
		if err != nil {
			for _, p := range ends {
				p[0].Close()
				p[1].Close()
			}
			return nil, err
		}
		ends = append(ends, [2]*os.File{r, w})
	}
	return ends, nil
}

// lines calls each with every line that r gives, without its end and cut after 64 KiB, until r ends.
func lines(r io.Reader, each func(string)) {
	buf := make([]byte, 0, 64<<10)
	skip := false
	for {
		n, err := r.Read(buf[len(buf):cap(buf)])
		buf = buf[:len(buf)+n]
		for {
			i := bytes.IndexAny(buf, "\r\n")
			if i < 0 {
				break
			}
			if !skip && i > 0 {
				each(string(buf[:i]))
			}
			skip = false
			buf = append(buf[:0], buf[i+1:]...)
		}
		if len(buf) == cap(buf) {
			if !skip {
				each(string(buf))
			}
			skip, buf = true, buf[:0]
		}
		if err != nil {
			if len(buf) > 0 && !skip {
				each(string(buf))
			}
			return
		}
	}
}
