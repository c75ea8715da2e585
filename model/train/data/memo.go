package data

import "sync"

// memo keeps what was read, up to a bound; what does not fit is read each time.
type memo[V any] struct {
	mu   sync.Mutex
	kept map[int]V
	left int64 // bytes
}

// get returns what read returns for an index, together with its size in bytes. Two goroutines may read one index at once.
func (m *memo[V]) get(i int, read func() (V, int, error)) (V, error) {
	m.mu.Lock()
	v, ok := m.kept[i]
	m.mu.Unlock()
	if ok {
		return v, nil
	}
	v, size, err := read()
	if err != nil {
		return v, err
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	if _, ok := m.kept[i]; !ok && int64(size) <= m.left {
		if m.kept == nil {
			m.kept = map[int]V{}
		}
		m.kept[i] = v
		m.left -= int64(size)
	}
	return v, nil
}
