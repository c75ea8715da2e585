package camera

import (
	"context"
	"sync"
	"time"
)

// WaitUntil returns at t, or with ctx's error when ctx ends first.
func WaitUntil(ctx context.Context, t time.Time) error {
	d := time.Until(t)
	if d <= 0 {
		return ctx.Err()
	}
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-timer.C:
		return nil
	}
}

// Watchdog calls a function once when it has not been fed for too long. Many goroutines may share it.
type Watchdog struct {
	mu      sync.Mutex
	limit   time.Duration
	timer   *time.Timer
	stopped bool
	barked  bool
}

// NewWatchdog starts a watchdog that calls bark when it is not fed for limit.
func NewWatchdog(limit time.Duration, bark func()) *Watchdog {
	w := &Watchdog{limit: limit}
	w.mu.Lock()
	defer w.mu.Unlock()
	w.timer = time.AfterFunc(limit, func() {
		w.mu.Lock()
		late := !w.stopped && !w.barked
		w.barked = w.barked || late
		w.mu.Unlock()
		if late {
			bark()
		}
	})
	return w
}

// Feed begins the time anew.
func (w *Watchdog) Feed() {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.stopped = false
	w.timer.Reset(w.limit)
}

// Stop stops the time until Feed is called.
func (w *Watchdog) Stop() {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.stopped = true
	w.timer.Stop()
}

// Barked says whether it has called its function.
func (w *Watchdog) Barked() bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.barked
}
