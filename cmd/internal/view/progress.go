package view

import (
	"fmt"
	"io"
	"strings"
	"time"
)

// Progress is a line that says how far a program is. The nil Progress shows nothing. One goroutine uses a Progress at a time.
type Progress struct {
	out   io.Writer
	width func() int
	total int
	bytes bool // count KiB
	begun time.Time
	shown time.Time
	now   func() time.Time
}

// every is how often the line changes at most.
const every = 100 * time.Millisecond

// NewProgress returns a line on a terminal; total is 0 where nobody knows it.
func (t *Terminal) NewProgress(total int) *Progress {
	width := func() int {
		if s, ok := t.size(); ok && s.Columns > 0 {
			return s.Columns
		}
		return 80
	}
	return &Progress{out: t.out, width: width, total: total, begun: time.Now(), now: time.Now}
}

// NewByteProgress is NewProgress for a number of bytes.
func (t *Terminal) NewByteProgress(total int64) *Progress {
	p := t.NewProgress(int(total >> 10))
	p.bytes = true
	return p
}

// StepBytes is Step for a number of bytes.
func (p *Progress) StepBytes(done int64, what string) { p.Step(int(done>>10), what) }

// Step says that done are done, and what the last one was.
func (p *Progress) Step(done int, what string) {
	if p == nil {
		return
	}
	now := p.now()
	if now.Sub(p.shown) < every && done != p.total {
		return
	}
	p.shown = now
	io.WriteString(p.out, "\r"+clip(p.line(done, now.Sub(p.begun), what), p.width()-1)+"\x1b[K")
}

// barWidth is that of the bar in characters.
const barWidth = 24

func (p *Progress) line(done int, took time.Duration, what string) string {
	var b strings.Builder
	rate := 0.0
	if took > 0 {
		rate = float64(done) / took.Seconds()
	}
	switch {
	case p.bytes:
		full := min(done, p.total) * barWidth / max(p.total, 1)
		fmt.Fprintf(&b, "%s%s %.1f/%.1f MiB", strings.Repeat("█", full), strings.Repeat("░", barWidth-full), float64(done)/1024, float64(p.total)/1024)
	case p.total > 0:
		full := min(done, p.total) * barWidth / p.total
		fmt.Fprintf(&b, "%s%s %d/%d", strings.Repeat("█", full), strings.Repeat("░", barWidth-full), done, p.total)
	default:
		fmt.Fprintf(&b, "frame %d", done)
	}
	if p.bytes {
		fmt.Fprintf(&b, "  %.2f MiB/s", rate/1024)
	} else {
		fmt.Fprintf(&b, "  %.1f/s", rate)
	}
	if p.total > done && rate > 0 {
		left := time.Duration(float64(p.total-done) / rate * float64(time.Second))
		fmt.Fprintf(&b, "  %s left", left.Round(time.Second))
	}
	if what != "" {
		b.WriteString("  " + what)
	}
	return b.String()
}

// Close removes the line.
func (p *Progress) Close() {
	if p != nil && !p.shown.IsZero() {
		io.WriteString(p.out, "\r\x1b[K")
	}
}
