package auth

import (
	"fmt"
	"sync"
	"time"
)

// LimitError says that there were too many attempts.
type LimitError struct{ Wait time.Duration }

func (e *LimitError) Error() string {
	return fmt.Sprintf("too many attempts; try again in %d seconds", e.Seconds())
}

// Seconds is how long to wait, at least 1.
func (e *LimitError) Seconds() int { return max(1, int((e.Wait+time.Second-1)/time.Second)) }

// Limiter counts events of many kinds, and forgets each of them evenly over time: a leaky bucket for each key.
type Limiter struct {
	most  float64
	drain time.Duration // in which most events are forgotten
	now   func() time.Time

	mu    sync.Mutex
	keys  map[string]level
	swept time.Time
}

type level struct {
	n  float64
	at time.Time
}

const (
	maxKeys   = 10_000      // that a Limiter remembers
	sweepStep = time.Minute // at least, from one removal of keys that have drained to the next
)

// NewLimiter returns a Limiter of most events at once, and as many in each time of drain.
func NewLimiter(most int, drain time.Duration, now func() time.Time) *Limiter {
	return &Limiter{most: float64(most), drain: drain, now: now, keys: map[string]level{}, swept: now()}
}

// left is how full a key's bucket is now. A clock that was set back lets nothing out.
func (l *Limiter) left(v level, now time.Time) float64 {
	return max(0, v.n-l.most*max(0, float64(now.Sub(v.at)))/float64(l.drain))
}

// Take counts an event of a key. It fails with a *LimitError, and counts nothing, where no more are allowed: wide times as many as most.
func (l *Limiter) Take(key string, wide float64) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	now := l.now()
	n := l.left(l.keys[key], now) + 1
	if over := n - wide*l.most; over > 1e-9 {
		return &LimitError{time.Duration(over / l.most * float64(l.drain))}
	}
	_, known := l.keys[key]
	if since := now.Sub(l.swept); since >= max(l.drain, sweepStep) || since < 0 || !known && len(l.keys) >= maxKeys {
		l.sweep(now)
	}
	l.keys[key] = level{n, now}
	return nil
}

// Give takes back one event of a key, as one that turned out not to be meant.
func (l *Limiter) Give(key string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	now := l.now()
	if n := l.left(l.keys[key], now) - 1; n > 0 {
		l.keys[key] = level{n, now}
	} else {
		delete(l.keys, key)
	}
}

// sweep makes room: all that is forgotten goes, and where that is not enough, half of the rest.
func (l *Limiter) sweep(now time.Time) {
	l.swept = now
	for k, v := range l.keys {
		if l.left(v, now) == 0 {
			delete(l.keys, k)
		}
	}
	if len(l.keys) < maxKeys {
		return
	}
	for k := range l.keys {
		if len(l.keys) < maxKeys/2 {
			break
		}
		delete(l.keys, k)
	}
}

// Forget forgets the events of a key.
func (l *Limiter) Forget(key string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	delete(l.keys, key)
}
