package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"mime"
	"mime/multipart"
	"net"
	"net/http"
	"sync"
	"sync/atomic"
	"time"
)

// from returns a client that comes from an address of this machine.
func from(address string, timeout time.Duration) *http.Client {
	dialer := net.Dialer{LocalAddr: &net.TCPAddr{IP: net.ParseIP(address)}}
	return &http.Client{Timeout: timeout, Transport: &http.Transport{DialContext: dialer.DialContext, MaxIdleConnsPerHost: 16}}
}

// viewers watch streams.
type viewers struct {
	frames, faults atomic.Int64
	done           sync.WaitGroup
}

func (v *viewers) wait() { v.done.Wait() }

// look lets n viewers watch until ctx ends, every second one with what is found drawn into the picture.
func look(ctx context.Context, d *daemon, n, cameras int) *viewers {
	v := &viewers{}
	for i := range n {
		v.done.Go(func() {
			err := v.watch(ctx, d, fmt.Sprintf("/api/v1/cameras/cam%d/stream.mjpg?overlay=%d", i%cameras, i/cameras%2))
			if err != nil && ctx.Err() == nil {
				v.faults.Add(1)
			}
		})
	}
	return v
}

func (v *viewers) watch(ctx context.Context, d *daemon, path string) error {
	resp, err := d.get(ctx, from(someone(), 0), path)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	_, parameters, err := mime.ParseMediaType(resp.Header.Get("Content-Type"))
	if err != nil {
		return err
	}
	for r := multipart.NewReader(resp.Body, parameters["boundary"]); ; {
		part, err := r.NextPart()
		if err != nil {
			return err
		}
		if _, err := io.Copy(io.Discard, part); err != nil {
			return err
		}
		v.frames.Add(1)
	}
}

// requests are those of the API, whose times are from when each was due.
type requests struct {
	done sync.WaitGroup

	mu     sync.Mutex
	times  []time.Duration
	failed int
	first  error
}

func (r *requests) wait() { r.done.Wait() }

// ask sends requests evenly until ctx ends, whether or not those before have been answered.
func ask(ctx context.Context, d *daemon, rate float64, cameras int) *requests {
	r := &requests{}
	var clients []*http.Client
	for range 20 {
		clients = append(clients, from(someone(), 30*time.Second))
	}
	r.done.Go(func() {
		begun := time.Now()
		for i := 0; ; i++ {
			due := begun.Add(time.Duration(float64(i) / rate * float64(time.Second)))
			select {
			case <-ctx.Done():
				return
			case <-time.After(time.Until(due)):
			}
			path := []string{"/api/v1/cameras", "/api/v1/events?limit=50", "/api/v1/system", fmt.Sprintf("/api/v1/cameras/cam%d/frame.jpg", rand.IntN(cameras)), "/healthz"}[i%5]
			client := clients[i%len(clients)]
			r.done.Go(func() { r.one(ctx, d, client, path, due) })
		}
	})
	return r
}

func (r *requests) one(ctx context.Context, d *daemon, client *http.Client, path string, due time.Time) {
	resp, err := d.get(ctx, client, path)
	if err == nil {
		_, err = io.Copy(io.Discard, resp.Body)
		err = errors.Join(err, resp.Body.Close())
	}
	took := time.Since(due)
	if ctx.Err() != nil {
		return // the end came before the answer
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.times = append(r.times, took)
	if err != nil {
		if r.failed++; r.first == nil {
			r.first = err
		}
	}
}
