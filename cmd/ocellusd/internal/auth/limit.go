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

	mu   sync.Mutex
	keys map[string]level
}

type level struct {
	n  float64
	at time.Time
}

// maxKeys bounds how many keys a Limiter remembers.
const maxKeys = 10_000

// NewLimiter returns a Limiter of most events at once, and as many in each time of drain.
func NewLimiter(most int, drain time.Duration, now func() time.Time) *Limiter {
	return &Limiter{most: float64(most), drain: drain, now: now, keys: map[string]level{}}
}

// left is how full a key's bucket is now. A clock that was set back lets nothing out.
func (l *Limiter) left(v level, now time.Time) float64 {
	return max(0, v.n-l.most*max(0, float64(now.Sub(v.at)))/float64(l.drain))
}

// Check returns a *LimitError where no more events of a key are allowed: wide times as many as most.
func (l *Limiter) Check(key string, wide float64) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	if over := l.left(l.keys[key], l.now()) + 1 - wide*l.most; over > 1e-9 {
		return &LimitError{time.Duration(over / l.most * float64(l.drain))}
	}
	return nil
}

// Count counts an event of a key.
func (l *Limiter) Count(key string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	now := l.now()
	if _, known := l.keys[key]; !known && len(l.keys) >= maxKeys {
		l.sweep(now)
	}
	l.keys[key] = level{l.left(l.keys[key], now) + 1, now}
}

// Take is Check and, where that allows it, Count.
func (l *Limiter) Take(key string) error {
	if err := l.Check(key, 1); err != nil {
		return err
	}
	l.Count(key)
	return nil
}

// sweep makes room: all that is forgotten goes, and where that is not enough, half of the rest.
func (l *Limiter) sweep(now time.Time) {
	for k, v := range l.keys {
		if l.left(v, now) == 0 {
			delete(l.keys, k)
		}
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
